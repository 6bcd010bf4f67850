//! Requests that wait for a slot: each client has a queue, and the clients take turns.

use std::collections::{HashMap, VecDeque};

use crate::call::ClientId;

/// Items that wait; those of one client keep their order.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    queues: HashMap<ClientId, VecDeque<T>>,
    /// The clients whose queues are not empty; the first one is next.
    turns: VecDeque<ClientId>,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), turns: VecDeque::new(), length: 0 }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn push(&mut self, client: ClientId, item: T) {
        let queue = self.queues.entry(client).or_default();
        if queue.is_empty() {
            self.turns.push_back(client);
        }
        queue.push_back(item);
        self.length += 1;
    }

    /// The item that is next, left in its queue.
    pub(super) fn peek(&self) -> Option<&T> {
        self.queues.get(self.turns.front()?)?.front()
    }

    /// Takes the item that is next; its client's turn ends with it.
    pub(super) fn pop(&mut self) -> Option<T> {
        let client = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&client)?;
        let item = queue.pop_front()?;
        self.length -= 1;
        if queue.is_empty() {
            self.queues.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        Some(item)
    }

    /// Removes the items that are `unwanted` and returns them.
    pub(super) fn remove_if(&mut self, mut unwanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for queue in self.queues.values_mut() {
            if queue.iter().any(&mut unwanted) {
                let (gone, kept): (Vec<T>, Vec<T>) = queue.drain(..).partition(&mut unwanted);
                queue.extend(kept);
                removed.extend(gone);
            }
        }
        if !removed.is_empty() {
            self.queues.retain(|_, queue| !queue.is_empty());
            self.turns.retain(|client| self.queues.contains_key(client));
            self.length -= removed.len();
        }
        removed
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::FairQueue;
    use crate::call::ClientId;

    #[test]
    fn one_request_behind_another_clients_many_is_second() {
        let mut queue = FairQueue::default();
        (0..500).for_each(|row| queue.push(ClientId(1), row));
        queue.push(ClientId(2), 1000);
        assert_eq!(queue.peek(), Some(&0));
        assert_eq!(
            [queue.pop(), queue.pop(), queue.pop(), queue.pop()],
            [Some(0), Some(1000), Some(1), Some(2)]
        );
        assert_eq!(queue.len(), 497);
    }

    #[test]
    fn removed_requests_leave_no_empty_turn_behind() {
        let mut queue = FairQueue::default();
        queue.push(ClientId(1), 10);
        queue.push(ClientId(2), 20);
        queue.push(ClientId(2), 21);
        assert_eq!(queue.remove_if(|item| *item < 21).len(), 2);
        assert_eq!((queue.pop(), queue.pop(), queue.is_empty()), (Some(21), None, true));
        queue.push(ClientId(1), 11);
        assert_eq!(queue.pop(), Some(11));
    }
}
