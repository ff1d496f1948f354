#pragma once

// The one door to the host's matrix library: OpenBLAS, or Eigen where OTT_LLAMA_EIGEN is set.
#if defined(OTT_LLAMA_EIGEN)
#include <Eigen/Core>
#else
#include <cblas.h>
#endif

namespace llama {

/// y = x * transpose(w), all rows contiguous.
/// shape    x: [rows, in]; w: [out, in]; y: [rows, out]
inline void multiply(float const* x, float const* w, float* y, int rows, int in, int out) {
#if defined(OTT_LLAMA_EIGEN)
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<matrix>(y, rows, out).noalias() =
      Eigen::Map<matrix const>(x, rows, in) * Eigen::Map<matrix const>(w, out, in).transpose();
#else
  if (rows == 1) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, out, in, 1, w, in, x, 1, 0, y, 1);
  } else {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, out, in, 1, x, in, w, in, 0, y, out);
  }
#endif
}

}  // namespace llama
