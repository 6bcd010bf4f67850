//! The list of matrices in the blind-data channel: a line each, fields between tabs. Readers leave out fields that they
//! do not know at the end of a line; the scale of int8 is one that older lists lack.

use super::grid::NvdbMatrix;
use crate::checksum::crc32c_append;
use crate::grid::path::{DataType, Shape};

const FIRST_LINE: &str = "hyprstream matrices 1";

/// The list, and the checksum of the nodes that hold the values and of the list itself.
pub(super) fn write(matrices: &[NvdbMatrix], nodes_crc: u32) -> String {
    let mut text = String::new();
    for matrix in matrices {
        let mut fields = vec![
            matrix.layer.to_string(),
            escape(&matrix.module),
            escape(&matrix.matrix),
            matrix.shape.rows.to_string(),
            matrix.shape.cols.to_string(),
            dtype_name(matrix.dtype).to_owned(),
        ];
        fields.extend(matrix.scale.map(|scale| scale.to_string()));
        text.push_str(&fields.join("\t"));
        text.push('\n');
    }
    let crc = crc32c_append(nodes_crc, text.as_bytes());
    format!("{FIRST_LINE}\t{crc:08x}\n{text}")
}

/// The matrices, still without elements; `None` when the list is malformed or a checksum does not match.
pub(super) fn read(text: &str, nodes_crc: u32) -> Option<Vec<NvdbMatrix>> {
    let (first, list) = text.split_once('\n')?;
    let crc = first.strip_prefix(FIRST_LINE)?.strip_prefix('\t')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c_append(nodes_crc, list.as_bytes()) {
        return None;
    }
    list.lines().map(read_line).collect()
}

fn read_line(line: &str) -> Option<NvdbMatrix> {
    let mut fields = line.split('\t');
    let layer = fields.next()?.parse().ok()?;
    let (module, matrix) = (unescape(fields.next()?)?, unescape(fields.next()?)?);
    let shape = Shape::new(fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    shape.elements().ok()?;
    let dtype = [DataType::F32, DataType::F16, DataType::Bf16, DataType::Int8];
    let name = fields.next()?;
    let dtype = dtype.into_iter().find(|dtype| dtype_name(*dtype) == name)?;
    let scale = match fields.next() {
        Some(scale) if dtype == DataType::Int8 => Some(scale.parse().ok()?),
        _ => None,
    };
    Some(NvdbMatrix { layer, module, matrix, shape, dtype, scale, elements: Vec::new() })
}

fn dtype_name(dtype: DataType) -> &'static str {
    match dtype {
        DataType::F32 => "f32",
        DataType::F16 => "f16",
        DataType::Bf16 => "bf16",
        DataType::Int8 => "int8",
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

    fn matrix(scale: Option<f32>) -> NvdbMatrix {
        NvdbMatrix {
            layer: 3,
            module: "q\tproj".to_owned(),
            matrix: "A".to_owned(),
            shape: Shape::new(4, 5),
            dtype: DataType::Int8,
            scale,
            elements: Vec::new(),
        }
    }

    #[test]
    fn scales_come_back_bit_for_bit() {
        for scale in [1.0, 0.1, 1.0 / 127.0, f32::MIN_POSITIVE / 3.0, 0.0, 3e38] {
            let matrices = [matrix(Some(scale))];
            assert_eq!(read(&write(&matrices, 7), 7).unwrap(), matrices);
        }
    }

    #[test]
    fn a_list_without_scales_is_read() {
        let matrices = [matrix(None)];
        let text = write(&matrices, 7);
        assert_eq!(text.lines().last(), Some("3\tq%09proj\tA\t4\t5\tint8"));
        assert_eq!(read(&text, 7).unwrap(), matrices);
    }
}
