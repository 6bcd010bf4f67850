//! generate, embed, tokenize and the other SQL functions, one a file.
