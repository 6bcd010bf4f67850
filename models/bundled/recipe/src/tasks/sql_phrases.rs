//! The ways to ask about a table: questions with the SQL that answers them.
//!
//! `{T}` is the table, `{t}` the table as a noun in the plural, `{c}` and `{d}` columns as nouns, `{C}` and
//! `{D}` the columns as they are named, `{n}` a number and `{v}` a word to compare with.

/// A kind of question: the columns it needs, the SQL, its phrasings and those that are held out.
pub struct Kind {
    /// The SQL.
    pub sql: &'static str,
    /// How training asks.
    pub asked: &'static [&'static str],
    /// How only evaluation asks.
    pub held_out: &'static [&'static str],
    /// Whether `{c}` must be a number.
    pub numeric: bool,
}

/// Every kind of question.
pub const KINDS: &[Kind] = &[
    Kind {
        sql: "SELECT count(*) FROM {T}",
        asked: &[
            "How many {t} are there?", "Count the {t}.", "Number of {t}?", "How many rows does {T} have?", "Count all {t}", "How many {t} do we have?",
            "total number of {t}", "What is the number of {t}?", "how many {t}", "Give me the count of {t}.", "row count of {T}", "how many {t} exist?",
        ],
        held_out: &["How many {t} are in the table?", "Please count the {t}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT * FROM {T}",
        asked: &[
            "Show all {t}.", "List all {t}.", "Show me every row of {T}.", "Give me all {t}.", "All {t}, please.", "Everything in {T}", "list the {t}",
            "show {t}", "What {t} are there?", "Print the whole table {T}.", "Get all {t}", "Display all {t}", "which {t} do we have",
        ],
        held_out: &["Please list every one of the {t}.", "I want to see all {t}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT {C} FROM {T}",
        asked: &[
            "Show the {c} of all {t}.", "List the {c} of every row in {T}.", "What are the {c} values of the {t}?", "Give me the {c} of all {t}.", "the {c} of each of the {t}",
            "{c} of all {t}", "Get the {c} for all {t}.", "Only the {c} of the {t}.", "show {c} from {T}", "list {c} of {t}", "Show me just the {c} of the {t}.",
        ],
        held_out: &["Print the {c} of all {t}.", "I want the {c} of all {t}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT {C}, {D} FROM {T}",
        asked: &[
            "Show the {c} and {d} of all {t}.", "List {c} and {d} of the {t}.", "Give me {c} and {d} for all {t}.", "{c} and {d} of all {t}", "Get the {c} and the {d} of every one of the {t}.",
            "What are the {c} and {d} of the {t}?", "show {c}, {d} from {T}", "Only {c} and {d} of the {t}.",
        ],
        held_out: &["Print the {c} and {d} of all {t}.", "I want {c} and {d} of all {t}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT DISTINCT {C} FROM {T}",
        asked: &[
            "What different {c} values do the {t} have?", "List the distinct {c} of the {t}.", "Show each {c} of the {t} once.", "All different {c} values in {T}", "unique {c} of {t}",
            "distinct {c} from {T}", "Which {c} values occur among the {t}?", "Show the {c} of the {t} without duplicates.", "List every {c} in {T} only once.",
        ],
        held_out: &["Print the unique {c} values of the {t}.", "Which distinct {c} values are there in {T}?"],
        numeric: false,
    },
    Kind {
        sql: "SELECT avg({C}) FROM {T}",
        asked: &[
            "What is the average {c} of the {t}?", "Average {c} of all {t}?", "Compute the mean {c} of the {t}.", "avg {c} of {t}", "mean {c} in {T}", "On average, what is the {c} of the {t}?",
            "Give me the average {c} of the {t}.", "What's the mean {c} for {t}?", "Show the average {c} in {T}", "how high is the average {c} of the {t}",
        ],
        held_out: &["Calculate the average {c} of the {t}.", "Tell me the mean {c} of all {t}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT sum({C}) FROM {T}",
        asked: &[
            "What is the total {c} of the {t}?", "Sum of {c} over all {t}?", "Add up the {c} of all {t}.", "total {c} of {t}", "sum {c} in {T}", "What is the {c} of all {t} together?",
            "Give me the total {c} of the {t}.", "What do the {c} values of the {t} add up to?", "overall {c} of the {t}", "Compute the sum of the {c} of the {t}.",
        ],
        held_out: &["Calculate the total {c} of the {t}.", "Tell me the sum of the {c} of all {t}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT max({C}) FROM {T}",
        asked: &[
            "What is the highest {c} of the {t}?", "Largest {c} in {T}?", "Maximum {c} of the {t}?", "max {c} of {t}", "What is the biggest {c} among the {t}?", "Give me the greatest {c} of the {t}.",
            "What is the top {c} in {T}?", "Show the maximum {c} of all {t}.", "the highest {c} of all {t}", "How high is the {c} of the {t} at most?",
        ],
        held_out: &["Find the largest {c} of the {t}.", "Tell me the maximum {c} among all {t}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT min({C}) FROM {T}",
        asked: &[
            "What is the lowest {c} of the {t}?", "Smallest {c} in {T}?", "Minimum {c} of the {t}?", "min {c} of {t}", "What is the least {c} among the {t}?", "Give me the smallest {c} of the {t}.",
            "What is the minimum {c} in {T}?", "Show the minimum {c} of all {t}.", "the lowest {c} of all {t}", "How low does the {c} of the {t} get?",
        ],
        held_out: &["Find the smallest {c} of the {t}.", "Tell me the minimum {c} among all {t}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT * FROM {T} WHERE {C} > {n}",
        asked: &[
            "Show {t} with {c} above {n}.", "Which {t} have a {c} over {n}?", "List the {t} whose {c} is greater than {n}.", "{t} with {c} > {n}", "Find {t} where {c} is more than {n}.",
            "All {t} with more than {n} {c}", "{t} where the {c} is higher than {n}", "Give me {t} with a {c} larger than {n}.", "which {t} have {c} bigger than {n}",
        ],
        held_out: &["Find all {t} with a {c} above {n}.", "Which of the {t} have {c} greater than {n}?"],
        numeric: true,
    },
    Kind {
        sql: "SELECT * FROM {T} WHERE {C} < {n}",
        asked: &[
            "Show {t} with {c} below {n}.", "Which {t} have a {c} under {n}?", "List the {t} whose {c} is less than {n}.", "{t} with {c} < {n}", "Find {t} where {c} is smaller than {n}.",
            "All {t} with less than {n} {c}", "{t} where the {c} is lower than {n}", "Give me {t} with a {c} smaller than {n}.", "which {t} have {c} below {n}",
        ],
        held_out: &["Find all {t} with a {c} below {n}.", "Which of the {t} have {c} less than {n}?"],
        numeric: true,
    },
    Kind {
        sql: "SELECT count(*) FROM {T} WHERE {C} > {n}",
        asked: &[
            "How many {t} have a {c} above {n}?", "Count the {t} with {c} over {n}.", "How many {t} have {c} greater than {n}?", "number of {t} with {c} > {n}", "Count {t} where {c} is more than {n}.",
            "how many {t} with {c} over {n}", "How many of the {t} have more than {n} {c}?",
        ],
        held_out: &["How many of the {t} have {c} above {n}?", "Please count {t} with a {c} greater than {n}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT * FROM {T} WHERE {C} = '{v}'",
        asked: &[
            "Show {t} with {c} {v}.", "Which {t} have the {c} {v}?", "List the {t} whose {c} is {v}.", "{t} with {c} = {v}", "Find {t} where {c} is {v}.", "All {t} with {c} {v}",
            "{t} where the {c} equals {v}", "Give me the {t} with the {c} {v}.", "which {t} have {c} {v}",
        ],
        held_out: &["Find all {t} with the {c} {v}.", "Which of the {t} have {v} as their {c}?"],
        numeric: false,
    },
    Kind {
        sql: "SELECT count(*) FROM {T} WHERE {C} = '{v}'",
        asked: &[
            "How many {t} have the {c} {v}?", "Count the {t} with {c} {v}.", "number of {t} whose {c} is {v}", "How many {t} are there with {c} {v}?", "Count {t} where {c} is {v}.", "how many {t} with {c} {v}",
        ],
        held_out: &["How many of the {t} have the {c} {v}?", "Please count {t} with the {c} {v}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT {C}, count(*) FROM {T} GROUP BY {C}",
        asked: &[
            "How many {t} are there for each {c}?", "Count the {t} by {c}.", "Number of {t} per {c}?", "{t} per {c}", "count of {t} grouped by {c}", "How many {t} per {c}?", "Count {t} for every {c}.",
            "For each {c}, how many {t} are there?", "group the {t} by {c} and count them", "how many {t} does each {c} have",
        ],
        held_out: &["Count how many {t} there are per {c}.", "Give the number of {t} for each {c}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT {D}, avg({C}) FROM {T} GROUP BY {D}",
        asked: &[
            "What is the average {c} for each {d}?", "Average {c} per {d}?", "avg {c} by {d}", "Mean {c} of the {t} by {d}?", "Show the average {c} of the {t} for every {d}.", "For each {d}, what is the average {c}?",
            "average {c} of {t} grouped by {d}",
        ],
        held_out: &["Calculate the average {c} per {d}.", "Give the mean {c} for each {d}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT {D}, sum({C}) FROM {T} GROUP BY {D}",
        asked: &[
            "What is the total {c} for each {d}?", "Total {c} per {d}?", "sum of {c} by {d}", "Sum of {c} of the {t} by {d}?", "Show the total {c} of the {t} for every {d}.", "For each {d}, what is the total {c}?",
            "total {c} of {t} grouped by {d}",
        ],
        held_out: &["Calculate the total {c} per {d}.", "Give the sum of {c} for each {d}."],
        numeric: true,
    },
    Kind {
        sql: "SELECT * FROM {T} ORDER BY {C}",
        asked: &[
            "Show all {t} sorted by {c}.", "List the {t} ordered by {c}.", "Sort the {t} by {c}.", "{t} by {c}", "{t} ordered by {c}", "Order the {t} by {c}.", "all {t} sorted by {c}", "Show the {t} from lowest to highest {c}.",
        ],
        held_out: &["Print all {t} in order of {c}.", "I want the {t} sorted by {c}."],
        numeric: false,
    },
    Kind {
        sql: "SELECT * FROM {T} ORDER BY {C} DESC LIMIT {n}",
        asked: &[
            "Show the {n} {t} with the highest {c}.", "Top {n} {t} by {c}.", "Which {n} {t} have the highest {c}?", "the {n} {t} with the largest {c}", "List the {n} {t} with the biggest {c}.", "top {n} {t} by {c}",
            "Give me the {n} {t} with the greatest {c}.", "{n} {t} with most {c}",
        ],
        held_out: &["Find the {n} {t} with the highest {c}.", "What are the top {n} {t} in terms of {c}?"],
        numeric: true,
    },
    Kind {
        sql: "SELECT * FROM {T} ORDER BY {C} LIMIT {n}",
        asked: &[
            "Show the {n} {t} with the lowest {c}.", "Bottom {n} {t} by {c}.", "Which {n} {t} have the lowest {c}?", "the {n} {t} with the smallest {c}", "List the {n} {t} with the least {c}.", "lowest {n} {t} by {c}",
            "Give me the {n} {t} with the smallest {c}.", "{n} {t} with least {c}",
        ],
        held_out: &["Find the {n} {t} with the lowest {c}.", "What are the bottom {n} {t} in terms of {c}?"],
        numeric: true,
    },
];
