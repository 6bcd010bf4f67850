//! Views of matrices that know their shape.

/// A matrix that is read from a slice: element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Mat<'a> {
    /// Rows of `columns` numbers, one after the other, as many as `data` has.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self::strided(data, data.len() / columns, columns, columns)
    }

    /// The `rows` × `columns` numbers at the start of `data` whose rows begin `stride` apart. Panics if they are not
    /// all in `data`.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(data.len(), rows, columns, stride);
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The transpose, of the same numbers.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The slice that the matrix begins at the start of.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// How far apart the elements of a column are.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// How far apart the elements of a row are; this or the row stride is 1.
    pub fn column_stride(&self) -> usize {
        self.column_stride
    }
}

/// A matrix that a product is written to; its rows are contiguous.
#[derive(Debug)]
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> MatMut<'a> {
    /// Rows of `columns` numbers, one after the other, as many as `data` has.
    pub fn new(data: &'a mut [f32], columns: usize) -> Self {
        let rows = data.len() / columns;
        Self::strided(data, rows, columns, columns)
    }

    /// The `rows` × `columns` numbers at the start of `data` whose rows begin `stride` apart. Panics if they are not
    /// all in `data`, or if rows overlap.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(data.len(), rows, columns, stride);
        assert!(columns <= stride, "rows of {columns} numbers overlap when they are {stride} apart");
        Self { data, rows, columns, stride }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How far apart the rows begin.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The slice that the matrix begins at the start of.
    pub fn data(&mut self) -> &mut [f32] {
        self.data
    }
}

fn check(len: usize, rows: usize, columns: usize, stride: usize) {
    let fits = rows == 0 || columns == 0 || (rows - 1) * stride + columns <= len;
    assert!(fits, "matrix view of {rows}×{columns} leaves its slice");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "leaves its slice")]
    fn a_view_past_its_slice_is_refused() {
        let _ = Mat::strided(&[0.0; 8], 3, 3, 3);
    }

    #[test]
    #[should_panic(expected = "leaves its slice")]
    fn a_result_past_its_slice_is_refused() {
        let _ = MatMut::strided(&mut [0.0; 8], 3, 2, 4);
    }
}
