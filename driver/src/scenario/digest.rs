//! Which experiment a scenario is: a digest of its text as it was understood, so that runs are compared with runs of
//! the same one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whatever TOML can say, with its tables in order of their keys.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Table(BTreeMap<String, Value>),
}

/// 16 hexadecimal digits for the text of a scenario. Comments, blanks, the way in which a text is quoted and the order
/// of keys don't count, nor what the guide says of it and asks about it; everything else does.
pub(super) fn of(text: &str) -> Result<String, toml::de::Error> {
    let mut value: BTreeMap<String, Value> = toml::from_str(text)?;
    // The guide may say it better without making it another experiment.
    value.remove("lesson");
    // What is shown of it, too.
    value.remove("stage");
    value.remove("guess");
    let plain = serde_json::to_string(&value).expect("no key but texts");
    Ok(format!("{:016x}", fnv(plain.as_bytes())))
}

/// The digest of a scenario to which something belongs that its text only names.
pub(super) fn with(digest: &str, more: &str) -> String {
    format!("{:016x}", fnv([digest, more].concat().as_bytes()))
}

/// FNV-1a of 64 bits: nobody has a reason to forge it, and no release of a library changes it.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{step, steps};

    #[test]
    fn the_digest_is_that_of_the_published_function() {
        // From the authors' test suite.
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_says_the_same_is_the_same() {
        let one = "name = \"x\"\n[[classes]]\nrate = \"30/s\"\nok = [200, 201]\n";
        for other in [
            "# Why.\nname='x'   # a name\n\n[[classes]]\nok = [\n  200,\n  201,\n]\nrate = \"30/s\"",
            "name = \"x\"\nclasses = [{ rate = \"30/s\", ok = [200, 201] }]\n[lesson]\ntitle = \"X\"\n",
            "name = \"x\"\n[[classes]]\nrate = \"30/s\"\nok = [200, 201]\n[guess]\nquestion = \"?\"\n",
            "name = \"x\"\r\nclasses = [{ ok = [200, 201], rate = \"\"\"30/s\"\"\" }]\r\n",
        ] {
            assert_eq!(of(one).unwrap(), of(other).unwrap(), "{other}");
        }
    }

    #[test]
    fn whatever_is_said_otherwise_is_another_experiment() {
        let text = step("timeouts").unwrap().text;
        let other = |from: &str, to: &str| {
            assert!(text.contains(from), "the scenario no longer says {from}");
            of(&text.replacen(from, to, 1)).unwrap()
        };
        let mut all = vec![
            of(&text).unwrap(),
            other("rate = \"30/s\"", "rate = \"31/s\""),
            other("at_least = \"99%\"", "at_least = \"98%\""),
            other("at_least = \"99%\"", "at_most = \"99%\""),
            other("duration = \"12s\"", "duration = \"13s\""),
            other("value = 16", "value = 16.5"),
        ];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn every_scenario_has_a_digest_of_its_own() {
        let steps = steps().unwrap();
        let digests: std::collections::BTreeSet<&str> =
            steps.iter().map(|scenario| &*scenario.digest).collect();
        assert_eq!(digests.len(), steps.len());
        assert!(digests.iter().all(|digest| digest.len() == 16));
    }
}
