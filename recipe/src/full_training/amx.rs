//! Products of bf16 tiles with f32 sums on AMX, the matrix unit of Intel's server processors since 2023.
//!
//! Operands are read as f32 from their strided views, rounded to bf16 (nearest, ties to even) while they are
//! packed, multiplied exactly and added in f32. A tile of A is 16 rows of 32 values along k; a tile of B holds
//! the same 32 values of 16 columns with neighbours along k side by side. Both are 16 × 16 pairs, and the one
//! is the transpose of the other, so an operand needs a transposition of pairs only when its memory runs the
//! other way.

#![expect(
    unsafe_code,
    reason = "tile and AVX-512 instructions; they are reached only after `available` and read through masks \
              within views whose constructors have bounded them"
)]

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid, __cpuid_count, __m512i, __mmask16, _mm512_cvtne2ps_pbh, _mm512_loadu_si512,
    _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::sync::OnceLock;

use hyprstream_learning::kernels::{F32Multiplier, Mat, MatMut, Multiplier, Shape, Store};

/// Rows (or columns) of a tile.
const TILE: usize = 16;
/// Values along k in a tile.
const DEPTH: usize = 32;
/// bf16 values of a tile.
const TILE_VALUES: usize = TILE * DEPTH;
/// Rows and columns of the result that a kernel call makes.
const BLOCK: usize = 2 * TILE;
/// How much is packed at a time: both packed operands stay in the second-level cache.
const K_BLOCK: usize = 1024;
const M_BLOCK: usize = 256;
const N_BLOCK: usize = 512;

/// Multiplies in bf16 with f32 sums where the processor has tiles, and in f32 elsewhere.
#[derive(Default)]
pub(super) struct TileMultiplier {
    packs: Packs,
}

/// The packed operands of one worker.
#[derive(Default)]
struct Packs {
    a: Vec<u16>,
    b: Vec<u16>,
}

/// A part of an operand: rows (of B, columns) from `row` and values along k from `depth`.
#[derive(Clone, Copy)]
struct Part {
    row: usize,
    rows: usize,
    depth: usize,
    depths: usize,
}

/// What becomes of a product.
#[derive(Clone, Copy)]
struct Output {
    alpha: f32,
    store: Store,
}

impl Multiplier for TileMultiplier {
    fn multiply(&mut self, mut c: MatMut<'_>, store: Store, alpha: f32, a: Mat<'_>, b: Mat<'_>) {
        if !available() {
            return F32Multiplier.multiply(c, store, alpha, a, b);
        }
        let Some(Shape { m, n, k }) = Shape::checked(&c, store, a, b) else { return };
        let stride = c.stride();
        let packs = &mut self.packs;
        configure();
        for k0 in (0..k).step_by(K_BLOCK) {
            let depths = K_BLOCK.min(k - k0);
            let output = Output { alpha, store: if k0 > 0 { Store::Add } else { store } };
            for n0 in (0..n).step_by(N_BLOCK) {
                let columns = N_BLOCK.min(n - n0);
                let part = Part { row: n0, rows: columns, depth: k0, depths };
                pack(&mut packs.b, b.transposed(), part, Side::B);
                for m0 in (0..m).step_by(M_BLOCK) {
                    let rows = M_BLOCK.min(m - m0);
                    let part = Part { row: m0, rows, depth: k0, depths };
                    pack(&mut packs.a, a, part, Side::A);
                    let target = &mut c.data()[m0 * stride + n0..];
                    multiply_packed(MatMut::strided(target, rows, columns, stride), depths, packs, output);
                }
            }
        }
        release();
    }
}

/// Whether this processor has the instructions and the system grants their state to this process.
pub(crate) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        const AMX_BF16: u32 = 1 << 22;
        const AMX_TILE: u32 = 1 << 24;
        const TILES: u32 = AMX_BF16 | AMX_TILE;
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        let has_tiles = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & TILES == TILES;
        has_avx512 && has_tiles && request_tile_state()
    })
}

/// Asks Linux to save the tiles of this process's threads.
fn request_tile_state() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call takes two integers and only changes what the kernel saves for this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

/// The product of the packed operands, which are `depth` values long along k.
fn multiply_packed(mut c: MatMut<'_>, depth: usize, packs: &Packs, Output { alpha, store }: Output) {
    let (rows, columns, stride) = (c.rows(), c.columns(), c.stride());
    let accumulate = store == Store::Add;
    let steps = depth.div_ceil(DEPTH);
    let panel = 2 * steps * TILE_VALUES;
    let mut apart = [0.0f32; BLOCK * BLOCK];
    for (j, b) in (0..columns).step_by(BLOCK).zip(packs.b.chunks_exact(panel)) {
        let wide = BLOCK.min(columns - j);
        for (i, a) in (0..rows).step_by(BLOCK).zip(packs.a.chunks_exact(panel)) {
            let tall = BLOCK.min(rows - i);
            let (a, b) = (a.split_at(panel / 2), b.split_at(panel / 2));
            let operands =
                Operands { a: [a.0.as_ptr(), a.1.as_ptr()], b: [b.0.as_ptr(), b.1.as_ptr()], steps };
            let c = &mut c.data()[i * stride + j..];
            if tall == BLOCK && wide == BLOCK && alpha.to_bits() == 1.0_f32.to_bits() {
                let target = &mut c[..(BLOCK - 1) * stride + BLOCK];
                // SAFETY: the tiles are configured by the caller; each of the four pointers is good for
                // `steps` tiles, and `target` for 32 rows of 32 numbers, `stride` apart.
                unsafe { kernel(operands, target.as_mut_ptr(), stride, accumulate) };
                continue;
            }
            // SAFETY: as above, and `apart` is 32 rows of 32 numbers.
            unsafe { kernel(operands, apart.as_mut_ptr(), BLOCK, false) };
            for (row, sums) in apart.chunks_exact(BLOCK).take(tall).enumerate() {
                let target = &mut c[row * stride..][..wide];
                if accumulate {
                    target.iter_mut().zip(sums).for_each(|(c, sum)| *c = sum.mul_add(alpha, *c));
                } else {
                    target.iter_mut().zip(sums).for_each(|(c, sum)| *c = sum * alpha);
                }
            }
        }
    }
}

/// Two packed tiles' rows of A and two of B, and how many tiles they are long.
#[derive(Clone, Copy)]
struct Operands {
    a: [*const u16; 2],
    b: [*const u16; 2],
    steps: usize,
}

#[repr(C, align(64))]
struct TileConfiguration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Eight tiles of 16 rows of 64 bytes.
fn configure() {
    let mut row_bytes = [0; 16];
    row_bytes[..8].fill(64);
    let mut rows = [0; 16];
    rows[..8].fill(16);
    let configuration = TileConfiguration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows };
    // SAFETY: the caller has checked that tiles are there; the 64 bytes are a valid configuration, and no
    // compiled code but this module's uses the tiles.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly, preserves_flags));
    }
}

/// Gives the tiles back, so that the system need not save them.
fn release() {
    // SAFETY: as for `configure`.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
}

/// Writes the 32 × 32 product of two tiles of A below each other and two tiles of B side by side, summed over
/// `steps` tiles along k, to rows that are `stride` apart; adds it to them when `accumulate`.
///
/// # Safety
/// The tiles are configured; each operand is good for `steps` tiles, of which there is at least one, and `c`
/// for 32 rows of 32 numbers, `stride` apart.
unsafe fn kernel(operands: Operands, c: *mut f32, stride: usize, accumulate: bool) {
    let Operands { a, b, steps } = operands;
    // SAFETY: reads and writes only what the caller vouches for.
    unsafe {
        asm!(
            "test {accumulate}, {accumulate}",
            "jnz 3f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 2f",
            "3:",
            "tileloadd tmm0, [{top} + {row}*1]",
            "tileloadd tmm1, [{top} + {row}*1 + 64]",
            "tileloadd tmm2, [{bottom} + {row}*1]",
            "tileloadd tmm3, [{bottom} + {row}*1 + 64]",
            "2:",
            "tileloadd tmm4, [{a0} + {stride}*1]",
            "tileloadd tmm6, [{b0} + {stride}*1]",
            "tileloadd tmm5, [{a1} + {stride}*1]",
            "tileloadd tmm7, [{b1} + {stride}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a0}, 1024",
            "add {a1}, 1024",
            "add {b0}, 1024",
            "add {b1}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{top} + {row}*1], tmm0",
            "tilestored [{top} + {row}*1 + 64], tmm1",
            "tilestored [{bottom} + {row}*1], tmm2",
            "tilestored [{bottom} + {row}*1 + 64], tmm3",
            a0 = inout(reg) a[0] => _,
            a1 = inout(reg) a[1] => _,
            b0 = inout(reg) b[0] => _,
            b1 = inout(reg) b[1] => _,
            steps = inout(reg) steps => _,
            stride = in(reg) 64usize,
            top = in(reg) c,
            bottom = in(reg) c.wrapping_add(TILE * stride),
            row = in(reg) stride * size_of::<f32>(),
            accumulate = in(reg) usize::from(accumulate),
            options(nostack),
        );
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    A,
    B,
}

/// Packs a part of `view` into panels of two tiles' rows; what the panels have beyond it is zero.
fn pack(packed: &mut Vec<u16>, view: Mat<'_>, part: Part, side: Side) {
    let steps = part.depths.div_ceil(DEPTH);
    let tiles = part.rows.div_ceil(BLOCK) * 2;
    packed.resize(tiles * steps * TILE_VALUES, 0);
    for (tile, out) in packed.chunks_exact_mut(TILE_VALUES).enumerate() {
        let (row, depth) = (tile / steps * TILE, tile % steps * DEPTH);
        let rows = part.rows.saturating_sub(row).min(TILE);
        let depths = (part.depths - depth).min(DEPTH);
        let tile = Part { row: part.row + row, rows, depth: part.depth + depth, depths };
        // SAFETY: `available` has answered yes. A view's elements lie in its slice, and `tile` lies in the view.
        unsafe { pack_tile(out, view, tile, side) };
    }
}

/// # Safety
/// The processor has the features; `part` is inside `view` and at most a tile.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_tile(out: &mut [u16], view: Mat<'_>, part: Part, side: Side) {
    let Part { row: o, rows, depth: z, depths: values } = part;
    let mut pairs = [_mm512_setzero_si512(); TILE];
    let along = view.column_stride() == 1;
    let base = view.data().as_ptr();
    if along {
        let masks = (mask(values), mask(values.saturating_sub(TILE)));
        for (row, pairs) in pairs.iter_mut().enumerate().take(rows) {
            let at = (o + row) * view.row_stride() + z;
            // SAFETY: the masks keep the reads within `values` elements of a row of the view; the second
            // half's address is only formed with wrapping arithmetic.
            let (low, high) = unsafe {
                let pointer = base.add(at);
                (
                    _mm512_maskz_loadu_ps(masks.0, pointer),
                    _mm512_maskz_loadu_ps(masks.1, pointer.wrapping_add(TILE)),
                )
            };
            // SAFETY: both types are 512 plain bits.
            *pairs = unsafe {
                std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
            };
        }
    } else {
        assert_eq!(view.row_stride(), 1, "one of a view's strides is 1");
        let mask = mask(rows);
        let order = interleaved();
        for (pair, pairs) in pairs.iter_mut().enumerate().take(values.div_ceil(2)) {
            let at = (z + 2 * pair) * view.column_stride() + o;
            // SAFETY: the mask keeps the reads within `rows` elements; the odd neighbour is read only when it
            // is one of the `values`.
            let (low, high) = unsafe {
                let second = 2 * pair + 1 < values;
                let low = _mm512_maskz_loadu_ps(mask, base.add(at));
                let high = if second {
                    _mm512_maskz_loadu_ps(mask, base.add(at + view.column_stride()))
                } else {
                    _mm512_setzero_ps()
                };
                (low, high)
            };
            // SAFETY: both types are 512 plain bits.
            let both = unsafe {
                std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
            };
            *pairs = _mm512_permutexvar_epi16(order, both);
        }
    }
    if along == (side == Side::B) {
        transpose(&mut pairs);
    }
    for (out, pairs) in out.chunks_exact_mut(DEPTH).zip(pairs) {
        // SAFETY: a chunk is 32 values of 16 bits.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), pairs) };
    }
}

fn mask(count: usize) -> __mmask16 {
    if count >= TILE { !0 } else { (1 << count) - 1 }
}

/// The permutation of words that puts the two halves' words side by side.
#[target_feature(enable = "avx512f")]
fn interleaved() -> __m512i {
    let words: [u16; DEPTH] = std::array::from_fn(|index| (index / 2 + index % 2 * TILE) as u16);
    // SAFETY: the array is 64 bytes.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Transposes 16 rows of 16 pairs.
#[target_feature(enable = "avx512f")]
fn transpose(rows: &mut [__m512i; TILE]) {
    let mut quads = [[_mm512_setzero_si512(); 4]; 4];
    for (quad, rows) in quads.iter_mut().zip(rows.chunks_exact(4)) {
        let (low01, high01) =
            (_mm512_unpacklo_epi32(rows[0], rows[1]), _mm512_unpackhi_epi32(rows[0], rows[1]));
        let (low23, high23) =
            (_mm512_unpacklo_epi32(rows[2], rows[3]), _mm512_unpackhi_epi32(rows[2], rows[3]));
        *quad = [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ];
    }
    for column in 0..4 {
        let [x0, x1, x2, x3] = quads.map(|quad| quad[column]);
        let (p0, p1) = (_mm512_shuffle_i32x4::<0x44>(x0, x1), _mm512_shuffle_i32x4::<0xEE>(x0, x1));
        let (p2, p3) = (_mm512_shuffle_i32x4::<0x44>(x2, x3), _mm512_shuffle_i32x4::<0xEE>(x2, x3));
        rows[column] = _mm512_shuffle_i32x4::<0x88>(p0, p2);
        rows[4 + column] = _mm512_shuffle_i32x4::<0xDD>(p0, p2);
        rows[8 + column] = _mm512_shuffle_i32x4::<0x88>(p1, p3);
        rows[12 + column] = _mm512_shuffle_i32x4::<0xDD>(p1, p3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(value: f32) -> f32 {
        let bits = value.to_bits();
        f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
    }

    /// Against the definition over rounded operands, with edges in every direction and every layout.
    #[test]
    fn tiles_agree_with_the_definition() {
        if !available() {
            eprintln!("this processor has no tiles; nothing to compare");
            return;
        }
        let mut multiplier = TileMultiplier::default();
        for (m, n, k) in [(1, 1, 1), (16, 16, 32), (37, 45, 51), (300, 33, 70), (33, 530, 1100), (64, 8, 8)] {
            let a: Vec<f32> = (0..m * k).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.017).collect();
            let b: Vec<f32> = (0..n * k).map(|i| ((i * 53 % 97) as f32 - 48.0) * 0.013).collect();
            for layout in 0..4 {
                let left = if layout & 1 == 0 { Mat::new(&a, k) } else { Mat::new(&a, m).transposed() };
                let right = if layout & 2 == 0 { Mat::new(&b, n) } else { Mat::new(&b, k).transposed() };
                let mut c = vec![1.0; m * n];
                let alpha = if layout == 3 { 1.0 } else { 0.5 };
                multiplier.multiply(MatMut::new(&mut c, n), Store::Add, alpha, left, right);
                for i in (0..m).step_by(7) {
                    for j in 0..n {
                        let a_at = |z: usize| {
                            if layout & 1 == 0 { a[i * k + z] } else { a[z * m + i] }
                        };
                        let b_at = |z: usize| {
                            if layout & 2 == 0 { b[z * n + j] } else { b[j * k + z] }
                        };
                        let sum: f64 = (0..k).map(|z| f64::from(rounded(a_at(z)) * rounded(b_at(z)))).sum();
                        let expected = 1.0 + f64::from(alpha) * sum;
                        let found = f64::from(c[i * n + j]);
                        assert!(
                            (found - expected).abs() < 1e-4,
                            "{m}×{n}×{k} {layout} ({i}, {j}): {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}
