//! Sets of keys. The keys of a class are numbers from 0 on, so that a bit each is enough.

/// Bits in a word.
const WORD: u64 = u64::BITS as u64;

/// Keys, and which of them came more than once.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    once: Bits,
    more: Bits,
}

#[derive(Clone, Debug, Default)]
struct Bits(Vec<u64>);

impl FromIterator<(u64, u64)> for Keys {
    /// Of keys with how often each came; these add up.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(keys: I) -> Self {
        let mut all = Self::default();
        for (key, times) in keys {
            all.add(key, times);
        }
        all
    }
}

impl Keys {
    /// Takes in a key that came so many times more.
    pub(super) fn add(&mut self, key: u64, times: u64) {
        if times > 1 || self.once.has(key) {
            self.more.put(key);
        }
        if times > 0 {
            self.once.put(key);
        }
    }

    /// How many different ones there are.
    pub(super) fn len(&self) -> u64 {
        self.once
            .0
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// How many of them are in another set, too.
    pub(super) fn shared_with(&self, other: &Self) -> u64 {
        let words = self.once.0.iter().zip(&other.once.0);
        words
            .map(|(one, other)| u64::from((one & other).count_ones()))
            .sum()
    }

    /// Whether a key came, and only once.
    pub(super) fn came_once(&self, key: u64) -> bool {
        self.once.has(key) && !self.more.has(key)
    }
}

impl Bits {
    fn has(&self, key: u64) -> bool {
        let word = self.0.get((key / WORD) as usize);
        word.is_some_and(|word| word >> (key % WORD) & 1 == 1)
    }

    fn put(&mut self, key: u64) {
        let word = (key / WORD) as usize;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (key % WORD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_across_words() {
        let keys = Keys::from_iter([(0, 1), (63, 2), (64, 1), (500, 1), (64, 1)]);
        assert_eq!(keys.len(), 4);
        let once: Vec<u64> = (0..600).filter(|key| keys.came_once(*key)).collect();
        assert_eq!(once, [0, 500]);
        let other = Keys::from_iter([(64, 1), (65, 1), (0, 3)]);
        assert_eq!((keys.shared_with(&other), other.shared_with(&keys)), (2, 2));
        assert_eq!(Keys::default().len(), 0);
    }
}
