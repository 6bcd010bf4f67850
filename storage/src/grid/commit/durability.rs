//! How durable a commit is when it returns.

/// What the return of a commit promises. Whatever is chosen, the commit is atomic, visible to every snapshot
/// taken after it returns, and no crash leaves anything but a committed state no older than the last durable one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Visible, and nothing more: the end of the process by any way but [`GridStore::close`](crate::GridStore::close) may lose it, until a
    /// later stronger commit, which includes it, keeps it.
    None,
    /// Handed to the operating system: survives the end of the process (`kill -9` too), and is lost or kept as
    /// a whole when the machine itself goes down before it wrote its cache.
    Eventual,
    /// On the disk: survives the loss of power, if the disk keeps what it acknowledged to `fdatasync`. Includes
    /// every commit before it, whatever that one promised.
    #[default]
    Immediate,
}
