//! Whether a short review is positive or negative. Things reviewed, ways to say it and questions are held out.

use crate::{
    corpus::{Sample, Split},
    rng::Rng,
    typing::{as_typed, upper_first},
};

const THINGS: &[&str] = &[
    "phone", "hotel", "movie", "book", "restaurant", "laptop", "camera", "blender", "jacket", "pizza", "flight", "game",
    "chair", "sofa", "headphones", "battery", "screen", "keyboard", "service", "waiter", "room", "food", "coffee", "tea",
    "delivery", "app", "update", "website", "course", "teacher", "concert", "song", "album", "series", "episode", "plot",
    "actor", "car", "bike", "tent", "backpack", "watch", "lamp", "bed", "mattress", "pillow", "toaster", "kettle", "knife",
    "pan", "soup", "steak", "burger", "salad", "dessert", "wine", "beer", "museum", "tour", "guide", "beach", "pool", "bar",
    "staff", "doctor", "dentist", "barber", "shop", "store", "product", "charger", "cable", "speaker", "printer", "router",
    "monitor", "mouse", "tablet", "toy", "puzzle", "dress", "shirt", "shoes", "boots", "socks", "umbrella", "bag", "soap",
    "perfume", "cream", "shampoo", "vacuum", "fridge", "oven", "heater", "fan", "drill", "hammer", "paint", "garden hose",
    "breakfast", "dinner", "lunch", "noodles", "bread", "cake", "ice cream", "driver", "train", "bus", "ferry", "airline",
];
const THINGS_HELD_OUT: &[&str] = &[
    "guitar", "piano", "sunglasses", "bakery", "sandwich", "theatre", "podcast", "novel", "scooter", "sauna", "hostel",
    "curtains", "carpet", "freezer", "juice", "sushi", "plumber", "nurse", "playground", "gloves", "helmet", "notebook",
];
const GOOD: &[&str] = &[
    "great", "excellent", "amazing", "wonderful", "fantastic", "perfect", "lovely", "superb", "brilliant", "awesome",
    "delightful", "outstanding", "good", "very good", "really nice", "nice", "beautiful", "impressive", "charming", "solid",
    "reliable", "comfortable", "fast", "friendly", "helpful", "clean", "fresh", "tasty", "delicious", "fun", "pleasant",
    "well made", "worth every penny", "first class", "top notch", "flawless", "incredible", "a joy", "a pleasure",
    "a real treat", "better than expected", "easy to use", "spotless", "cozy", "gorgeous", "stunning", "sturdy", "smooth",
    "magnificent", "terrific", "marvellous", "quick", "polite", "cheap and good", "the best", "exciting", "a bargain",
    "so good", "fabulous", "splendid", "enjoyable", "clever", "gripping", "a masterpiece", "superbly done", "quiet and calm",
];
const BAD: &[&str] = &[
    "terrible", "awful", "horrible", "bad", "poor", "disappointing", "broken", "useless", "dirty", "rude", "slow", "boring",
    "cold", "stale", "overpriced", "noisy", "cheap and nasty", "a waste of money", "a waste of time", "disgusting", "dull",
    "ugly", "uncomfortable", "unreliable", "faulty", "worthless", "mediocre", "very bad", "dreadful", "a disaster", "a joke",
    "worse than expected", "hard to use", "painful", "flimsy", "tasteless", "greasy", "late", "unfriendly", "annoying",
    "confusing", "frustrating", "buggy", "filthy", "pathetic", "the worst", "atrocious", "lousy", "a scam", "a mess",
    "a let down", "way too expensive", "badly made", "bland", "smelly", "damaged", "defective", "so bad", "laughable",
    "unbearable", "sloppy", "a nightmare", "garbage", "rubbish", "poorly made", "weak", "scratched", "shoddy",
];
const GOOD_SENTENCES: &[&str] = &[
    "I love it.", "I loved the {n}.", "I love this {n}.", "Love the {n}!", "I would buy it again.", "I will come back.",
    "Highly recommended.", "I recommend the {n} to everyone.", "Best {n} ever.", "Best {n} I have ever had.",
    "My kids adore the {n}.", "It made my day.", "Five stars.", "5 stars", "Exactly what I needed.", "Works like a charm.",
    "The {n} works perfectly.", "I am very happy with the {n}.", "We were so pleased with the {n}.", "Could not be happier.",
    "The {n} exceeded my expectations.", "No complaints at all.", "Nothing to complain about.", "I can't stop smiling.",
    "I enjoyed every minute.", "We had a great time.", "It still works after two years.", "Money well spent.",
    "What a {n}!", "The {n} arrived early and works well.", "I would go again tomorrow.", "Never had a better {n}.",
    "I did not expect it to be this good.", "It solved my problem.", "Everyone was kind to us.", "10/10", "thumbs up",
    "You will not regret it.", "The {n} never let me down.", "Impossible to put down.", "I use it every day and it holds up.",
    "I'm impressed.", "so happy with this {n}", "cant wait to go back", "keeps getting better", "Nothing is missing.",
];
const BAD_SENTENCES: &[&str] = &[
    "I hate it.", "I hated the {n}.", "I want my money back.", "I would not buy it again.", "I will never come back.",
    "Do not buy this {n}.", "Avoid the {n}.", "Stay away from this {n}.", "Worst {n} ever.", "Worst {n} I have ever had.",
    "It ruined my day.", "One star.", "1 star", "It broke after a day.", "The {n} stopped working after a week.",
    "The {n} does not work.", "I am very unhappy with the {n}.", "We were so disappointed by the {n}.", "I regret buying it.",
    "The {n} fell apart.", "I sent it back.", "Nobody answered my calls.", "We waited for an hour.", "I fell asleep.",
    "I walked out.", "It made me sick.", "Not worth the price.", "I expected more.", "I can't recommend it.", "Never again.",
    "The {n} arrived broken.", "Half of it was missing.", "I returned the {n}.", "It keeps crashing.", "I got no refund.",
    "They ignored us.", "0/10", "thumbs down", "You will regret it.", "The {n} let me down.", "Save your money.",
    "I could not finish it.", "My money was wasted.", "nobody cared", "total waste", "keeps getting worse",
    "I'm so let down.", "It never worked.", "dont bother", "The {n} leaks.", "It hurt.", "I would give zero stars.",
];
// `{g}` is a word of the review's own feeling and `{o}` one of the opposite.
const FRAMES: &[&str] = &[
    "The {n} is {g}.", "The {n} was {g}.", "This {n} is {g}.", "This {n} was {g}!", "The {n} is {g}, really {g2}.",
    "The {n} was {g} and the {m} was {g2}.", "What a {n}, {g}!", "I found the {n} {g}.", "I think the {n} is {g}.",
    "My {n} is {g}.", "Our {n} was {g}.", "It is {g}.", "It was {g} and {g2}.", "{G} {n}!", "{G} {n}.", "{n}: {g}",
    "Honestly, the {n} was {g}.", "The {n} turned out to be {g}.", "Everything about the {n} was {g}.", "So {g}, so {g2}.",
    "The {n} seemed {o} at first but it is {g}.", "I was told the {n} was {o}, but it is {g}.", "The {m} was {o} but the {n} was {g}, overall {g2}.",
    "People say it is {o}. I say it is {g}.", "I expected {o}, it was {g}.", "The {n} looks {o} but is {g}.", "{G}, just {g2}.",
    "The {n} and the {m} were {g}.", "{g}", "{g} {n}", "The {n} here is always {g}.", "A {n} that is {g}.", "The {n} could not be more {g}.",
    "Bought the {n} last week. {G}.", "We tried the {n} yesterday and it was {g}.", "For the price the {n} is {g}.",
    "Not {o}, it is {g}.", "The {n} is anything but {o}.", "The {n} is far from {o}.", "The {n} was so {g} that we told our friends.",
];
const NEGATED: &[&str] = &[
    "The {n} is not {o}.", "The {n} was not {o} at all.", "It isn't {o}.", "I do not think the {n} is {o}.", "This {n} is never {o}.",
    "The {n} wasn't {o}.", "Not a {o} {n}.", "The {n} is not that {o}.", "I didn't find the {n} {o}.", "Nothing about the {n} was {o}.",
];
const FRAMES_HELD_OUT: &[&str] = &[
    "I have to say that this {n} is {g}.", "All in all the {n} was {g} and {g2}.", "My sister and I found the {n} {g}.",
    "After a month I still think the {n} is {g}.", "In the end the {n} was {g}, even if the {m} was {o}.", "This {n} is {g} in every way.",
    "If you ask me, the {n} is {g}.",
];
const ASKED: &[&str] = &[
    "Is this review positive or negative? {r}", "Is the following review positive or negative?\n{r}", "Sentiment: {r}",
    "{r}\nSentiment:", "Review: {r}\nSentiment:", "Review: {r} Positive or negative?", "Positive or negative? {r}",
    "{r} Positive or negative?", "{r} - positive or negative?", "Classify the sentiment: {r}", "Classify this review: {r}",
    "What is the sentiment of this review? {r}", "What is the sentiment of: {r}", "Does the customer like it? Answer positive or negative. {r}",
    "Is this good or bad feedback, positive or negative: {r}", "Tell me whether this is positive or negative: {r}",
    "sentiment of \"{r}\"", "\"{r}\" positive or negative?", "Rate the review as positive or negative: {r}", "Feedback: {r}\nFeeling?",
    "Label as positive or negative: {r}", "A customer wrote: {r} Positive or negative?", "positive/negative: {r}",
    "How does the writer feel, positive or negative? {r}", "Judge this comment: {r}", "Comment: {r}\nLabel:", "Is this customer happy? positive or negative: {r}",
    "pos or neg? {r}", "Decide if this is positive or negative. {r}", "{r}\nIs that positive or negative?", "Sentiment analysis: {r}",
];
const ASKED_HELD_OUT: &[&str] = &[
    "Here is a review: {r} Is it positive or negative?", "Please classify this comment as positive or negative: {r}",
    "Would you call this positive or negative? {r}", "What sentiment does this have? {r}", "{r}\nWhat is the sentiment?",
];

/// A review with its question; the answer is `positive` or `negative`.
pub fn sample(rng: &mut Rng, split: Split) -> Sample {
    let positive = rng.chance(0.5);
    let review = review(rng, split, positive);
    let question = rng.pick(split.of(ASKED, ASKED_HELD_OUT)).replace("{r}", &review);
    let question = if split == Split::Train { as_typed(rng, &question) } else { question };
    Sample::new(question, if positive { "positive" } else { "negative" })
}

/// A review of one to three sentences that all lean the same way.
pub fn review(rng: &mut Rng, split: Split, positive: bool) -> String {
    let thing = rng.text(split.of(THINGS, THINGS_HELD_OUT));
    let mut sentences = Vec::new();
    let many = *rng.pick(&[1, 1, 1, 2, 2, 3]);
    while sentences.len() < many {
        let frames = if split == Split::HeldOut && sentences.is_empty() {
            FRAMES_HELD_OUT
        } else {
            match rng.index(10) {
                0..=4 => FRAMES,
                5 => NEGATED,
                _ if positive => GOOD_SENTENCES,
                _ => BAD_SENTENCES,
            }
        };
        sentences.push(filled(rng, frames, split, thing, positive));
    }
    sentences.join(" ")
}

fn filled(rng: &mut Rng, frames: &[&str], split: Split, thing: &str, positive: bool) -> String {
    let (own, other) = if positive { (GOOD, BAD) } else { (BAD, GOOD) };
    let feeling = *rng.pick(own);
    rng.pick(frames)
        .replace("{n}", thing)
        .replace("{m}", rng.text(split.of(THINGS, THINGS_HELD_OUT)))
        .replace("{g2}", rng.text(own))
        .replace("{g}", feeling)
        .replace("{G}", &upper_first(feeling))
        .replace("{o}", rng.text(other))
}
