//! Which model and adapter answers: scheduling, sessions, recording, training runs.
