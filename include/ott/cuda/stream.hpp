#pragma once

struct CUstream_st;

namespace ott {

/// A CUDA stream without CUDA headers: the same type as cudaStream_t.
using cuda_stream = CUstream_st*;

}  // namespace ott
