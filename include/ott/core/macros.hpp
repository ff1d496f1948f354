#pragma once

// The only switch on the compiler. OTT_HD marks what runs on both sides.
#if defined(__CUDACC__)
#define OTT_HD __host__ __device__
#else
#define OTT_HD
#endif

// The host compiler behind nvcc does not know the pragma and would warn.
#if defined(__CUDA_ARCH__)
#define OTT_UNROLL _Pragma("unroll")
#define OTT_UNROLL_4 _Pragma("unroll 4")
#else
#define OTT_UNROLL
#define OTT_UNROLL_4
#endif
