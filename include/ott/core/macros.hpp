#pragma once

// The only switch on the compiler. OTT_HD marks what runs on both sides.
#if defined(__CUDACC__)
#define OTT_HD __host__ __device__
#define OTT_UNROLL _Pragma("unroll")
#else
#define OTT_HD
#define OTT_UNROLL
#endif
