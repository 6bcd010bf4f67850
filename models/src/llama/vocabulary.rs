//! A GGUF file's own vocabulary, for models that come without a `tokenizer.json`.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use crate::error::{Error, Result};
use crate::gguf::GgufModel;
use crate::llama::backend::initialise;
use crate::llama::model::c_path;
use crate::llama::sealed_file::SealedFile;

/// The vocabulary of a validated GGUF file, loaded without the weights.
#[derive(Debug)]
pub(crate) struct LlamaVocabulary {
    model: NonNull<sys::llama_model>,
    vocabulary: NonNull<sys::llama_vocab>,
}

// SAFETY: llama.cpp does not tie a vocabulary to a thread.
unsafe impl Send for LlamaVocabulary {}
// SAFETY: every function called here takes the vocabulary as const and keeps no state in it.
unsafe impl Sync for LlamaVocabulary {}

impl LlamaVocabulary {
    /// Loads the vocabulary of a file.
    pub(crate) fn load(file: &GgufModel) -> Result<Self> {
        initialise();
        // llama.cpp checks that the tensors lie within the file, and reads none of them.
        let tables = SealedFile::write(|out| {
            file.table_pieces().try_for_each(|piece| out.write_all(&piece?))?;
            out.lengthen(file.length())
        })?;
        let c_path = c_path(&tables.path())?;
        // SAFETY: takes nothing and returns plain data.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.vocab_only = true;
        params.load_mode = sys::LLAMA_LOAD_MODE_MMAP;
        // SAFETY: the path is a live C string and names the tables of a validated file.
        let model = unsafe { sys::llama_model_load_from_file(c_path.as_ptr(), params) };
        let refuse = || Error::invalid(file.path(), "llama.cpp refused the vocabulary; its log says why");
        let model = NonNull::new(model).ok_or_else(refuse)?;
        // SAFETY: the model is live; its vocabulary lives as long as it.
        let vocabulary = unsafe { sys::llama_model_get_vocab(model.as_ptr()) };
        if let Some(vocabulary) = NonNull::new(vocabulary.cast_mut()) {
            Ok(Self { model, vocabulary })
        } else {
            // SAFETY: the model is live and nobody else's.
            unsafe { sys::llama_model_free(model.as_ptr()) };
            Err(refuse())
        }
    }

    pub(crate) fn len(&self) -> usize {
        // SAFETY: the vocabulary is live.
        unsafe { sys::llama_vocab_n_tokens(self.vocabulary.as_ptr()) as usize }
    }

    /// The tokens of a text; with `parse_special` those that it spells are recognised.
    pub(crate) fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<u32>> {
        let length = i32::try_from(text.len())
            .map_err(|_| Error::Argument(format!("a text of {} bytes is too long", text.len())))?;
        let mut tokens: Vec<i32> = vec![0; text.len() / 2 + 16];
        loop {
            // SAFETY: the text is `length` bytes long and the buffer as long as it says.
            let count = unsafe {
                sys::llama_tokenize(
                    self.vocabulary.as_ptr(),
                    text.as_ptr().cast::<c_char>(),
                    length,
                    tokens.as_mut_ptr(),
                    tokens.len() as c_int,
                    add_special,
                    parse_special,
                )
            };
            match count {
                i32::MIN => return Err(Error::Argument("the text has too many tokens".to_owned())),
                count if count < 0 => tokens.resize(count.unsigned_abs() as usize, 0),
                count => {
                    tokens.truncate(count as usize);
                    return Ok(tokens.into_iter().map(|token| token as u32).collect());
                }
            }
        }
    }

    /// The bytes of a token; none for an id outside the vocabulary or, unless `special`, a control token.
    pub(crate) fn piece(&self, token: u32, special: bool) -> Vec<u8> {
        if token as usize >= self.len() {
            return Vec::new();
        }
        let mut bytes = vec![0u8; 32];
        loop {
            // SAFETY: the token is inside the vocabulary and the buffer as long as it says.
            let count = unsafe {
                sys::llama_token_to_piece(
                    self.vocabulary.as_ptr(),
                    token as i32,
                    bytes.as_mut_ptr().cast::<c_char>(),
                    bytes.len() as c_int,
                    0,
                    special,
                )
            };
            if count < 0 {
                bytes.resize(count.unsigned_abs() as usize, 0);
            } else {
                bytes.truncate(count as usize);
                return bytes;
            }
        }
    }

    /// The tokens that `encode` recognises only with `parse_special`: id, spelling, and whether the spaces before
    /// and behind them belong to them.
    pub(crate) fn control_tokens(&self) -> impl Iterator<Item = (u32, String, (bool, bool))> {
        (0..self.len() as u32).filter_map(|token| {
            // SAFETY: the vocabulary is live and the token inside it.
            let attributes = unsafe { sys::llama_vocab_get_attr(self.vocabulary.as_ptr(), token as i32) };
            let has = |attribute| attributes & attribute != 0;
            if !has(sys::LLAMA_TOKEN_ATTR_CONTROL | sys::LLAMA_TOKEN_ATTR_UNKNOWN) {
                return None;
            }
            // SAFETY: the vocabulary is live and the token inside it; the text is a C string that lives as long.
            let text =
                unsafe { CStr::from_ptr(sys::llama_vocab_get_text(self.vocabulary.as_ptr(), token as i32)) };
            let strips = (has(sys::LLAMA_TOKEN_ATTR_LSTRIP), has(sys::LLAMA_TOKEN_ATTR_RSTRIP));
            Some((token, text.to_str().ok()?.to_owned(), strips))
        })
    }

    pub(crate) fn is_end(&self, token: u32) -> bool {
        // SAFETY: the vocabulary is live and the token inside it.
        (token as usize) < self.len()
            && unsafe { sys::llama_vocab_is_eog(self.vocabulary.as_ptr(), token as i32) }
    }

    /// Whether a text's first token is preceded by a space that decoding takes away again.
    pub(crate) fn adds_space_prefix(&self) -> bool {
        // SAFETY: the vocabulary is live.
        let kind = unsafe { sys::llama_vocab_type(self.vocabulary.as_ptr()) };
        kind == sys::LLAMA_VOCAB_TYPE_SPM
    }
}

impl Drop for LlamaVocabulary {
    fn drop(&mut self) {
        // SAFETY: the model is live and nobody else's.
        unsafe { sys::llama_model_free(self.model.as_ptr()) };
    }
}
