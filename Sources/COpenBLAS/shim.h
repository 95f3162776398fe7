#include <cblas.h>

// LAPACK, which OpenBLAS carries: Cholesky's factor of a symmetric matrix.
void spotrf_(const char *uplo, const blasint *n, float *a, const blasint *lda, blasint *info);
