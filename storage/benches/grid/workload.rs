//! What is measured on: 256 matrices of 2048 × 16 of which 1 % of the elements is active, scattered (84 k values).

pub const ROWS: usize = 2048;
pub const COLS: usize = 16;
pub const MATRICES: u32 = 256;
/// Sides of the dense matrix that is scanned: 64 MiB.
pub const DENSE_SIDE: usize = 4096;
/// Sides of the matrix of which checkpoints are kept.
pub const CHECKPOINT_SHAPE: (usize, usize) = (2048, 64);
pub const CHECKPOINTS: usize = 100;

/// xorshift64.
pub struct Rng(u64);

impl Rng {
    pub fn new() -> Self {
        Self(88_172_645_463_325_252)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// About N(0, 0.02).
    pub fn weight(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| self.below(1 << 20) as f32 / (1 << 20) as f32).sum();
        (sum - 6.0) * 0.02
    }
}

/// New values of elements: row, column, value.
pub type Updates = Vec<(u32, u32, f32)>;

/// The matrices and what is done to them; every contender gets the same.
pub struct Workload {
    /// Row-major values.
    pub matrices: Vec<Vec<f32>>,
    /// Matrix, row and column of active elements, in random order; a power of two of them.
    pub picks: Vec<(usize, usize, usize)>,
    /// Batches of 1,000 scattered updates, by matrix.
    pub small_batches: Vec<Vec<Updates>>,
    /// Batches of 84,000 of the same elements, so that the matrices do not fill up under the measurement.
    pub large_batches: Vec<Vec<Updates>>,
    /// A dense matrix of [`DENSE_SIDE`] squared.
    pub dense: Vec<f32>,
    /// The states of a matrix of [`CHECKPOINT_SHAPE`], 1 % changed from one to the next.
    pub checkpoints: Vec<Vec<f32>>,
}

impl Workload {
    pub fn new() -> Self {
        let mut rng = Rng::new();
        let matrices: Vec<Vec<f32>> = (0..MATRICES).map(|_| sparse(&mut rng, ROWS * COLS)).collect();
        let active: Vec<(usize, usize, usize)> = matrices
            .iter()
            .enumerate()
            .flat_map(|(matrix, values)| {
                let active = values.iter().enumerate().filter(|(_, value)| value.to_bits() != 0);
                active.map(move |(at, _)| (matrix, at / COLS, at % COLS))
            })
            .collect();
        let picks = (0..1 << 16).map(|_| active[rng.below(active.len() as u64) as usize]);
        let picks = picks.collect();
        let small_batches = (0..16).map(|n| batch(&mut rng, 1000, n)).collect();
        let large_batches = with_other_values(&batch(&mut rng, 84_000, 0), 4);
        let dense = (0..DENSE_SIDE * DENSE_SIDE).map(|n| n as f32 + 1.0).collect();
        Self { matrices, picks, small_batches, large_batches, dense, checkpoints: checkpoints(&mut rng) }
    }

    pub fn active(&self) -> usize {
        self.matrices.iter().flatten().filter(|value| value.to_bits() != 0).count()
    }
}

pub fn sparse(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| if rng.below(100) == 0 { rng.weight() } else { 0.0 }).collect()
}

fn batch(rng: &mut Rng, count: usize, number: u32) -> Vec<Updates> {
    let mut by_matrix = vec![Updates::new(); MATRICES as usize];
    for _ in 0..count {
        let (row, col) = (rng.below(ROWS as u64) as u32, rng.below(COLS as u64) as u32);
        by_matrix[rng.below(u64::from(MATRICES)) as usize].push((row, col, number as f32 + 1.0));
    }
    by_matrix
}

/// The batch, and others with other values of the same elements.
fn with_other_values(first: &[Updates], count: u16) -> Vec<Vec<Updates>> {
    let with_values = |number: u16| {
        let mut batch = first.to_vec();
        for (_, _, value) in batch.iter_mut().flatten() {
            *value += f32::from(number);
        }
        batch
    };
    (0..count).map(with_values).collect()
}

fn checkpoints(rng: &mut Rng) -> Vec<Vec<f32>> {
    let elements = CHECKPOINT_SHAPE.0 * CHECKPOINT_SHAPE.1;
    let mut values: Vec<f32> = (0..elements).map(|_| rng.weight()).collect();
    let mut states = vec![values.clone()];
    while states.len() < CHECKPOINTS {
        for _ in 0..elements / 100 {
            values[rng.below(elements as u64) as usize] += 0.01;
        }
        states.push(values.clone());
    }
    states
}
