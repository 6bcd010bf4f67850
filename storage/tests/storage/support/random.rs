//! Random commits, which a store and a ledger get alike.

use hyprstream_storage::{Durability, Error, GridStore};

use super::ledger::Ledger;
use super::{Model, Op, Rng, batch_of, edits, matrix_path};

fn random_op(rng: &mut Rng) -> Op {
    let (version, matrix) = (rng.below(6) as u8, rng.below(5) as u8);
    match rng.below(19) {
        0..=5 => {
            // Shapes of one to a few leaves keep a schedule short.
            let shape = [0, 2, 3, 6, 7][rng.below(5) as usize];
            Op::Put {
                version,
                matrix,
                shape,
                dtype: rng.below(2) as u8,
                density: rng.below(6) as u8,
                seed: rng.next(),
            }
        }
        6 => Op::Remove { version, matrix },
        7..=8 => Op::Update { version, matrix, count: 1 + rng.below(60) as u16, seed: rng.next() },
        9 => Op::Publish { version },
        10..=11 => Op::Branch { from: version, to: rng.below(6) as u8 },
        12 => Op::Drop { version },
        13 => Op::Tag { version, tag: rng.below(3) as u8 },
        14..=15 => Op::Perturb { version, matrix, seed: rng.next() },
        16 => Op::Recode { version, how: rng.below(3) as u8 },
        17 => Op::PutMetadata { key: rng.below(5) as u8, len: rng.below(3000) as u32, seed: rng.next() },
        _ => Op::RemoveMetadata { key: rng.below(5) as u8 },
    }
}

fn random_durability(rng: &mut Rng) -> Durability {
    [Durability::None, Durability::Eventual, Durability::Immediate, Durability::Immediate]
        [rng.below(4) as usize]
}

/// One commit. After an error the ledger has it under way still.
pub fn commit(store: &GridStore, ledger: &mut Ledger, rng: &mut Rng) -> Result<(), Error> {
    let durability = random_durability(rng);
    if rng.below(2) == 0 {
        let (version, matrix, count) = (rng.below(6) as u8, rng.below(5) as u8, 1 + rng.below(40) as u16);
        return update(store, ledger, (version, matrix), count, rng.next(), durability);
    }
    let ops: Vec<Op> = (0..=rng.below(4)).map(|_| random_op(rng)).collect();
    write(store, ledger, &ops, durability)
}

/// Commits a batch of edits of a matrix, if it is there and may change.
pub fn update(
    store: &GridStore,
    ledger: &mut Ledger,
    (version, matrix): (u8, u8),
    count: u16,
    seed: u64,
    durability: Durability,
) -> Result<(), Error> {
    let mut model: Model = ledger.newest().clone();
    let shape = model.matrix(version, matrix).map(|m| m.shape);
    let Some(shape) = shape.filter(|_| model.is_draft(version)) else {
        return Ok(());
    };
    let edits = edits(shape, count, seed);
    model.edit(version, matrix, &edits);
    ledger.attempt(model);
    store.update(&batch_of(&matrix_path(version, matrix), &edits), durability)?;
    ledger.accept(durability);
    Ok(())
}

/// Commits operations in one write.
pub fn write(
    store: &GridStore,
    ledger: &mut Ledger,
    ops: &[Op],
    durability: Durability,
) -> Result<(), Error> {
    let mut model = ledger.newest().clone();
    let mut write = store.begin_write()?;
    for op in ops {
        model.apply(op, &mut write)?;
    }
    ledger.attempt(model);
    write.commit(durability)?;
    ledger.accept(durability);
    Ok(())
}
