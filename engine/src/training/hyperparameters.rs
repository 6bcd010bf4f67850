//! The hyperparameters of a run under PEFT's names: those of the request, else defaults for the base model.

use hyprstream_learning::{AdamOptions, LoraConfig, Scheduler, TrainOptions};
use hyprstream_models::Module;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::training::request::TrainRequest;

/// Kept with the run and with the version it publishes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Hyperparameters {
    pub(super) r: u32,
    pub(super) lora_alpha: f32,
    pub(super) target_modules: Vec<Module>,
    pub(super) lora_dropout: f32,
    pub(super) learning_rate: f32,
    pub(super) epochs: u32,
    pub(super) batch_size: u32,
    pub(super) max_seq_len: u32,
    pub(super) lr_scheduler_type: String,
    pub(super) warmup_ratio: f32,
    pub(super) max_grad_norm: f32,
    pub(super) weight_decay: f32,
    pub(super) sparsity: f32,
    pub(super) seed: u64,
}

impl Hyperparameters {
    /// `parameters` is the number of the base model's weights: a small model learns with a larger adapter and rate.
    pub(super) fn try_new(request: &TrainRequest, parameters: u64, context: u32) -> Result<Self> {
        if request.ewc_lambda.is_some_and(|value| value != 0.0) {
            return Err(Error::Unsupported("ewc_lambda above 0".to_owned()));
        }
        let sparsity = request.sparsity.unwrap_or(0.0);
        if !(0.0..1.0).contains(&sparsity) {
            return Err(Error::argument("sparsity", sparsity, "it is at least 0 and below 1"));
        }
        if let Some(length) = request.max_seq_len.filter(|length| *length > context) {
            let reason = format!("it is at most the model's context of {context} tokens");
            return Err(Error::argument("max_seq_len", length, reason));
        }
        let is_small = parameters < 50_000_000;
        let r = request.r.unwrap_or(if is_small { 16 } else { 8 });
        let scheduler = request.lr_scheduler_type.clone().unwrap_or_else(|| "cosine".to_owned());
        parse_scheduler(&scheduler)?;
        Ok(Self {
            r,
            lora_alpha: request.lora_alpha.unwrap_or(2.0 * r as f32),
            target_modules: modules(request.target_modules.as_deref())?,
            lora_dropout: request.lora_dropout.unwrap_or(0.0),
            learning_rate: request.learning_rate.unwrap_or(if is_small { 2e-3 } else { 2e-4 }),
            epochs: request.epochs.unwrap_or(if is_small { 10 } else { 3 }),
            batch_size: request.batch_size.unwrap_or(8),
            max_seq_len: request.max_seq_len.unwrap_or(context),
            lr_scheduler_type: scheduler,
            warmup_ratio: request.warmup_ratio.unwrap_or(0.03),
            max_grad_norm: request.max_grad_norm.unwrap_or(1.0),
            weight_decay: request.weight_decay.unwrap_or(0.0),
            sparsity,
            seed: request.seed.unwrap_or(0),
        })
    }

    pub(super) fn lora(&self) -> LoraConfig {
        LoraConfig {
            rank: self.r as usize,
            alpha: self.lora_alpha,
            target_modules: self.target_modules.clone(),
            dropout: self.lora_dropout,
        }
    }

    pub(super) fn options(&self, threads: usize) -> Result<TrainOptions> {
        Ok(TrainOptions {
            learning_rate: self.learning_rate,
            epochs: self.epochs as usize,
            batch_size: self.batch_size as usize,
            max_seq_len: self.max_seq_len as usize,
            scheduler: parse_scheduler(&self.lr_scheduler_type)?,
            warmup_ratio: self.warmup_ratio,
            adam: AdamOptions {
                weight_decay: self.weight_decay,
                max_grad_norm: self.max_grad_norm,
                ..AdamOptions::default()
            },
            seed: self.seed,
            threads,
            sparsity: self.sparsity,
            in_background: true,
            ..TrainOptions::default()
        })
    }
}

fn parse_scheduler(name: &str) -> Result<Scheduler> {
    match name {
        "linear" => Ok(Scheduler::Linear),
        "cosine" => Ok(Scheduler::Cosine),
        "constant" => Ok(Scheduler::Constant),
        _ => {
            let reason = "it is linear, cosine or constant";
            Err(Error::text_argument("lr_scheduler_type", name, reason))
        }
    }
}

fn modules(names: Option<&[String]>) -> Result<Vec<Module>> {
    let Some(names) = names else {
        return Ok(Module::ALL.to_vec());
    };
    if let [name] = names
        && name == "all-linear"
    {
        return Ok(Module::ALL.to_vec());
    }
    let mut modules = Vec::new();
    for name in names {
        let module: Module = name.parse().map_err(|_| {
            let known = Module::ALL.map(Module::name).join(", ");
            Error::text_argument("target_modules", name, format!("the modules are {known}, or all-linear"))
        })?;
        if !modules.contains(&module) {
            modules.push(module);
        }
    }
    if modules.is_empty() {
        return Err(Error::argument("target_modules", "[]", "name at least one module"));
    }
    // The order in which they were named changes nothing about the result.
    modules.sort();
    Ok(modules)
}
