//! Model files, tokenizers, chat templates and the llama.cpp runtime.
