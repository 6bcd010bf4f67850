//! Pairs of texts that say the same thing in different words, for the pooled representation.
//! The ways to say it are held out; every evaluation pair uses ways that training never saw.

use crate::{
    corpus::Split,
    rng::Rng,
    tasks::{
        capitals::{self, COUNTRIES},
        extraction::Record,
        plain_answers, sql_questions,
    },
    typing::as_typed,
};

/// Ways to say one thing, for training and held out.
struct Saying {
    ways: &'static [&'static str],
    held_out: &'static [&'static str],
}

const SAYINGS: &[Saying] = &[
    Saying {
        ways: &[
            "{name} is {age} years old and lives in {city}.", "{age}-year-old {name} lives in {city}.", "In {city} lives {name}, who is {age}.", "{name} ({age}) is from {city}.",
            "{name}, {age}, {city}", "The home of {name}, who is {age}, is {city}.", "{city} is where {name}, aged {age}, lives.", "Name: {name}, age: {age}, city: {city}",
        ],
        held_out: &["At {age}, {name} has a home in {city}.", "{name} of {city} has reached the age of {age}.", "A resident of {city}, {name} is now {age}."],
    },
    Saying {
        ways: &[
            "{name} bought {quantity} {item} for {price} dollars.", "{quantity} {item} were bought by {name} for ${price}.", "For {price} dollars, {name} got {quantity} {item}.", "{name} paid ${price} for {quantity} {item}.",
            "Order: {quantity} {item}, customer {name}, total {price}", "The {quantity} {item} cost {name} {price} dollars.", "{name} spent {price} on {quantity} {item}.", "A sale of {quantity} {item} to {name} at {price}.",
        ],
        held_out: &["{name} purchased {quantity} {item}, paying {price} in all.", "The shop sold {name} {quantity} {item} at a price of {price}.", "{price} dollars is what {name} gave for {quantity} {item}."],
    },
    Saying {
        ways: &[
            "{name} works as a {job} at {company}.", "{company} employs {name} as a {job}.", "{name} is a {job} for {company}.", "The {job} at {company} is called {name}.", "At {company}, {name} is the {job}.",
            "{name}, {job}, {company}", "{name} has a job as {job} with {company}.", "{name} earns a living as a {job} at {company}.",
        ],
        held_out: &["As a {job}, {name} is on the staff of {company}.", "{company} has a {job} whose name is {name}.", "The work of {name} at {company} is that of a {job}."],
    },
    Saying {
        ways: &[
            "{name} travels to {city} on {date}.", "On {date}, {name} goes to {city}.", "{name} will be in {city} on {date}.", "The trip of {name} to {city} is on {date}.", "{city} expects {name} on {date}.",
            "{name} has a ticket to {city} for {date}.", "{name} visits {city} on {date}.", "date {date}: {name} to {city}",
        ],
        held_out: &["{name} is leaving for {city} on {date}.", "The journey that takes {name} to {city} begins on {date}.", "Come {date}, {name} will have reached {city}."],
    },
    Saying {
        ways: &[
            "You can reach {name} at {email}.", "{name}'s email address is {email}.", "Write to {email} to contact {name}.", "Contact {name}: {email}", "{email} belongs to {name}.", "{name} <{email}>", "Mail for {name} goes to {email}.",
        ],
        held_out: &["If you want to write to {name}, use {email}.", "{name} reads messages sent to {email}.", "The address {email} is the one of {name}."],
    },
    Saying {
        ways: &[
            "How much do {item} cost in {city}?", "What is the price of {item} in {city}?", "In {city}, what do {item} cost?", "price of {item} {city}", "Are {item} expensive in {city}?", "How expensive are {item} in {city}?",
            "What do people pay for {item} in {city}?", "I want to know the cost of {item} in {city}.",
        ],
        held_out: &["What would I pay for {item} in {city}?", "Tell me how much they charge for {item} in {city}.", "How many dollars are {item} if I buy them in {city}?"],
    },
    Saying {
        ways: &[
            "Where can I buy {item} in {city}?", "Which shop in {city} sells {item}?", "I am looking for {item} in {city}.", "A place in {city} to get {item}?", "Who sells {item} in {city}?", "shop for {item}, {city}",
            "In {city}, where are {item} sold?",
        ],
        held_out: &["Is there a store in {city} that has {item}?", "I would like to find somebody who sells {item} in {city}.", "Where do people in {city} go to buy {item}?"],
    },
    Saying {
        ways: &[
            "My order of {item} has not arrived.", "The {item} that I ordered never came.", "I am still waiting for my {item}.", "Where are the {item} I ordered?", "No {item} delivered yet, where is my order?",
            "When will my {item} be delivered?", "late delivery: {item}",
        ],
        held_out: &["I ordered {item} a while ago and nothing has come.", "Has my parcel with the {item} been lost?", "The delivery of my {item} is overdue."],
    },
    Saying {
        ways: &[
            "I want to return the {item}.", "Can I send the {item} back?", "I would like a refund for the {item}.", "How do I return {item}?", "Please take back the {item} and give me my money.", "refund {item}",
            "I am not keeping the {item}, how do I get my money back?",
        ],
        held_out: &["The {item} should go back to you and I want to be paid back.", "What must I do to give back the {item}?", "I'd like my money returned for the {item}."],
    },
    Saying {
        ways: &[
            "What is {quantity} + {age}?", "Add {quantity} and {age}.", "{quantity} plus {age}", "The sum of {quantity} and {age}", "How much is {quantity} and {age} together?", "{quantity}+{age}=",
        ],
        held_out: &["Please calculate {quantity} plus {age}.", "If you add {age} to {quantity}, what do you get?", "What do {quantity} and {age} make together?"],
    },
    Saying {
        ways: &[
            "Convert {quantity} kilometres to metres.", "How many metres are {quantity} kilometres?", "{quantity} km in m", "{quantity} kilometers to meters", "What is {quantity} km in metres?",
            "Express {quantity} kilometres in metres.",
        ],
        held_out: &["What do {quantity} kilometres make in metres?", "Give me {quantity} km as metres.", "How long is {quantity} km when measured in metres?"],
    },
    Saying {
        ways: &[
            "How many minutes are in {quantity} hours?", "Convert {quantity} hours to minutes.", "{quantity} hours in minutes", "{quantity} h to min", "What is {quantity} hours in minutes?",
            "Turn {quantity} hours into minutes.",
        ],
        held_out: &["{quantity} hours make how many minutes?", "Give me {quantity} hours as minutes.", "How long is {quantity} hours if I count the minutes?"],
    },
    Saying {
        ways: &[
            "The {job} in {city} was rude to me.", "I was treated badly by a {job} in {city}.", "A rude {job} in {city} ruined my day.", "Complaint about a {job} in {city}.", "I am unhappy with the {job} I met in {city}.",
            "bad {job}, {city}", "Never go to that {job} in {city}.",
        ],
        held_out: &["In {city} I met an unfriendly {job}.", "My experience with a {job} in {city} was terrible.", "I can't recommend the {job} from {city}."],
    },
    Saying {
        ways: &[
            "The {job} in {city} was very kind.", "I was treated well by a {job} in {city}.", "A friendly {job} in {city} made my day.", "Praise for a {job} in {city}.", "I am happy with the {job} I met in {city}.",
            "great {job}, {city}", "Go to that {job} in {city}, really good.",
        ],
        held_out: &["In {city} I met a friendly {job}.", "My experience with a {job} in {city} was wonderful.", "I can recommend the {job} from {city}."],
    },
];

/// Two texts that say the same; typed carelessly at times in the training half.
pub fn pair(rng: &mut Rng, split: Split) -> (String, String) {
    let (a, b) = match rng.index(10) {
        0 => capital(rng, split),
        1 => plain_answers::asked_twice(rng, split),
        2 => sql_questions::asked_twice(rng, split),
        _ => saying(rng, split),
    };
    match split {
        Split::Train => (as_typed(rng, &a), as_typed(rng, &b)),
        Split::HeldOut => (a, b),
    }
}

fn saying(rng: &mut Rng, split: Split) -> (String, String) {
    let saying = rng.pick(SAYINGS);
    let record = Record::draw(rng, split);
    let ways = split.of(saying.ways, saying.held_out);
    let first = rng.index(ways.len());
    let second = (first + 1 + rng.index(ways.len() - 1)) % ways.len();
    (record.fill(ways[first]), record.fill(ways[second]))
}

fn capital(rng: &mut Rng, split: Split) -> (String, String) {
    let country = rng.pick(COUNTRIES.as_slice());
    let a = capitals::fill(rng.text(capitals::phrasings(split)), country);
    let b = if rng.chance(0.2) {
        format!("{} is the capital of {}.", country.capital, country.name)
    } else {
        capitals::fill(rng.text(capitals::phrasings(split)), country)
    };
    (a, b)
}
