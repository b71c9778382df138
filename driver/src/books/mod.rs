//! The books of a run, which the code under test can't write: the receipts that the provider gave, the payments in the
//! ledger, and what the clients were told and when. Checks hold them against each other, one by one.

mod collect;
mod count;

use std::{collections::HashMap, time::Duration};

use serde::Deserialize;

pub use collect::Bookkeeper;

/// What is on record when the load has ended.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// The answers that carry a receipt, in order of their end.
    pub told: Vec<Told>,
    /// The receipt that the provider gave for each key; none where its book could not be read.
    pub given: Option<HashMap<String, u64>>,
    /// The payments in the ledger by key; none where there is no ledger, or it could not be read.
    pub payments: Option<HashMap<String, Payment>>,
    /// The payments that clients asked for by key.
    pub asked: HashMap<String, Payment>,
    /// The keys of all requests.
    pub keys: Vec<KeysOf>,
}

/// The keys of a class: numbered from 0 behind a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysOf {
    /// What each begins with; `-` and the number follow.
    pub prefix: String,
    /// How many there are.
    pub count: u64,
}

impl KeysOf {
    /// Whether `key` is one of them.
    pub fn contains(&self, key: &str) -> bool {
        let number = key.strip_prefix(self.prefix.as_str());
        let number = number.and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|text| {
            let number = text.parse::<u64>();
            number.is_ok_and(|number| number < self.count && number.to_string() == text)
        })
    }
}

/// What a client was told with a wished answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Class of the request.
    pub class: String,
    /// Key of the request.
    pub key: String,
    /// The key's number within the class.
    pub number: u64,
    /// When the answer was whole, from the start of the load.
    pub at: Duration,
    /// The receipt in it; none where it has none.
    pub receipt: Option<u64>,
    /// Whether the answer says that it repeats an earlier one; none where it does not speak of that.
    pub replayed: Option<bool>,
    /// Whether the payment was in the ledger when somebody looked right after the answer.
    pub at_once: AtOnce,
}

/// What a look into the ledger right after an answer showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// The payment was there.
    Recorded,
    /// It was not.
    Missing,
    /// Nobody looked, or the look failed.
    Unseen,
}

/// A payment, as it is asked for or as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Payment {
    /// The account that it is taken from.
    pub account: i64,
    /// How much.
    pub amount: i64,
    /// The provider's receipt; none where it is only asked for.
    #[serde(default)]
    pub receipt: Option<u64>,
}
