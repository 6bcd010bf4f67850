//! What tests and benchmarks of models share: models with random weights, a reference computation to check results
//! against, and a check of gradients. No part of the program.

pub mod gradients;
pub mod random;
pub mod reference;
