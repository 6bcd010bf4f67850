//! The list of matrices in the blind-data channel: a line each, fields between tabs. Readers ignore fields that they do
//! not know at the end of a line.

use super::grid::NvdbMatrix;
use crate::checksum::crc32c_append;
use crate::grid::path::{DataType, Shape};

const FIRST_LINE: &str = "hyprstream matrices 1";

/// The list, and the checksum of the nodes that hold the values and of the list itself.
pub(super) fn write(matrices: &[NvdbMatrix], nodes_crc: u32) -> String {
    let mut text = String::new();
    for matrix in matrices {
        let fields = [
            matrix.layer.to_string(),
            escape(&matrix.module),
            escape(&matrix.matrix),
            matrix.shape.rows.to_string(),
            matrix.shape.cols.to_string(),
            dtype_name(matrix.dtype).to_owned(),
        ];
        text.push_str(&fields.join("\t"));
        text.push('\n');
    }
    let crc = crc32c_append(nodes_crc, text.as_bytes());
    format!("{FIRST_LINE}\t{crc:08x}\n{text}")
}

/// Why a list is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListError {
    /// It is malformed, or a checksum does not match.
    Malformed,
    /// It names a matrix of this type of numbers, which this build does not store.
    UnsupportedType(&'static str),
}

/// The matrices, still without elements.
pub(super) fn read(text: &str, nodes_crc: u32) -> Result<Vec<NvdbMatrix>, ListError> {
    let list = check(text, nodes_crc).ok_or(ListError::Malformed)?;
    list.lines().map(read_line).collect()
}

/// The lines of a list whose checksum is right.
fn check(text: &str, nodes_crc: u32) -> Option<&str> {
    let (first, list) = text.split_once('\n')?;
    let crc = first.strip_prefix(FIRST_LINE)?.strip_prefix('\t')?;
    (u32::from_str_radix(crc, 16).ok()? == crc32c_append(nodes_crc, list.as_bytes())).then_some(list)
}

fn read_line(line: &str) -> Result<NvdbMatrix, ListError> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [layer, module, matrix, rows, cols, dtype, ..] = fields.as_slice() else {
        return Err(ListError::Malformed);
    };
    let dtype = match *dtype {
        "f32" => DataType::F32,
        "f16" => DataType::F16,
        "bf16" => return Err(ListError::UnsupportedType("bf16")),
        "int8" => return Err(ListError::UnsupportedType("int8")),
        _ => return Err(ListError::Malformed),
    };
    let shape = rows.parse().ok().zip(cols.parse().ok()).map(|(rows, cols)| Shape::new(rows, cols));
    let shape = shape.filter(|shape| shape.elements().is_ok()).ok_or(ListError::Malformed)?;
    Ok(NvdbMatrix {
        layer: layer.parse().map_err(|_| ListError::Malformed)?,
        module: unescape(module).ok_or(ListError::Malformed)?,
        matrix: unescape(matrix).ok_or(ListError::Malformed)?,
        shape,
        dtype,
        elements: Vec::new(),
    })
}

fn dtype_name(dtype: DataType) -> &'static str {
    match dtype {
        DataType::F32 => "f32",
        DataType::F16 => "f16",
    }
}

fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('\t', "%09").replace('\n', "%0a").replace('\r', "%0d")
}

fn unescape(name: &str) -> Option<String> {
    let plain = name.replace("%09", "\t").replace("%0a", "\n").replace("%0d", "\r").replace("%25", "%");
    (escape(&plain) == name).then_some(plain)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops where something is not there")]
mod tests {
    use super::*;

    fn matrix() -> NvdbMatrix {
        NvdbMatrix {
            layer: 3,
            module: "q\tproj".to_owned(),
            matrix: "A".to_owned(),
            shape: Shape::new(4, 5),
            dtype: DataType::F16,
            elements: Vec::new(),
        }
    }

    /// A list of one line, with its checksum.
    fn list(line: &str) -> String {
        let text = format!("{line}\n");
        format!("{FIRST_LINE}\t{:08x}\n{text}", crc32c_append(7, text.as_bytes()))
    }

    #[test]
    fn a_list_comes_back_and_fields_behind_it_are_ignored() {
        let text = write(&[matrix()], 7);
        assert_eq!(text.lines().last(), Some("3\tq%09proj\tA\t4\t5\tf16"));
        assert_eq!(read(&text, 7).unwrap(), [matrix()]);
        assert_eq!(read(&list("3\tq%09proj\tA\t4\t5\tf16\tlater"), 7).unwrap(), [matrix()]);
    }

    #[test]
    fn matrices_of_types_that_are_no_longer_stored_are_refused_by_name() {
        for (line, found) in [("3\tq\tA\t4\t5\tint8\t0.01", "int8"), ("3\tq\tA\t4\t5\tbf16", "bf16")] {
            assert_eq!(read(&list(line), 7), Err(ListError::UnsupportedType(found)));
        }
        assert_eq!(read(&list("3\tq\tA\t4\t5\tf64"), 7), Err(ListError::Malformed));
    }
}
