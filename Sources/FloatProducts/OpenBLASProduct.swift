internal import COpenBLAS
public import Runtime

extension LargeProduct {
    /// OpenBLAS's single-precision product, on the calling thread.
    ///
    /// It is a target of its own so that an app that embeds the runtime need not carry OpenBLAS.
    public static func openBLAS() -> LargeProduct {
        // The runtime's own threads share out the panels; a second pool would fight them for the cores.
        openblas_set_num_threads(1)
        return LargeProduct { w, rows, columns, x, xStride, tokens, y, yStride in
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, Int32(tokens), Int32(rows), Int32(columns), 1, x,
                Int32(xStride), w, Int32(columns), 1, y, Int32(yStride))
        }
    }
}
