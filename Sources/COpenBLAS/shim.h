#include <cblas.h>

// LAPACK, which OpenBLAS carries: Cholesky's factor of a symmetric matrix, and the inverse of a triangular one.
void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda, blasint *info);
void dtrtri_(const char *uplo, const char *diag, const blasint *n, double *a, const blasint *lda, blasint *info);
