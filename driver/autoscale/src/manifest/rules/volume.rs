//! The volumes of a pod (`ValidateVolumes`), and of their kinds those that come with every cluster.

use k8s_openapi::api::core::v1::{KeyToPath, Volume};

use super::{FieldPath, Verdict, at_most_one, distinct, each, name, refuse, required, within};

/// Permissions of a file.
const MODES: std::ops::RangeInclusive<i64> = 0..=0o777;

/// All volumes of a pod.
pub(super) fn all(at: &FieldPath, volumes: Option<&Vec<Volume>>) -> Verdict {
    let mut names = Vec::new();
    for (index, volume) in volumes.into_iter().flatten().enumerate() {
        let at = at.index(index);
        source(&at, volume)?;
        name::dns_label(&at.keys("name"), &volume.name)?;
        distinct(&at.keys("name"), &mut names, &volume.name)?;
    }
    Ok(())
}

/// One source at most; without one it is an empty folder.
fn source(at: &FieldPath, volume: &Volume) -> Verdict {
    let all = serde_json::to_value(volume).unwrap_or_default();
    let sources = all.as_object().into_iter().flatten();
    let sources = sources
        .map(|(key, _)| key.as_str())
        .filter(|key| *key != "name");
    at_most_one(at, sources)?;
    if let Some(secret) = &volume.secret {
        let at = at.keys("secret");
        required(
            &at.keys("secretName"),
            secret.secret_name.as_deref().unwrap_or_default(),
        )?;
        within(&at.keys("defaultMode"), secret.default_mode, MODES)?;
        each(&at.keys("items"), secret.items.as_ref(), item)?;
    }
    if let Some(map) = &volume.config_map {
        let at = at.keys("configMap");
        required(&at.keys("name"), &map.name)?;
        within(&at.keys("defaultMode"), map.default_mode, MODES)?;
        each(&at.keys("items"), map.items.as_ref(), item)?;
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        required(
            &at.keys("persistentVolumeClaim.claimName"),
            &claim.claim_name,
        )?;
    }
    if let Some(path) = &volume.host_path {
        required(&at.keys("hostPath.path"), &path.path)?;
    }
    Ok(())
}

fn item(at: &FieldPath, item: &KeyToPath) -> Verdict {
    required(&at.keys("key"), &item.key)?;
    required(&at.keys("path"), &item.path)?;
    inner_path(&at.keys("path"), &item.path)?;
    within(&at.keys("mode"), item.mode, MODES)
}

/// A path that stays where it is put.
pub(super) fn inner_path(at: &FieldPath, path: &str) -> Verdict {
    if path.starts_with('/') {
        return refuse(at, format!("is `{path}`, but must not begin with `/`"));
    }
    if path.split('/').any(|part| part == "..") {
        return refuse(at, format!("is `{path}`, but must not have `..` in it"));
    }
    Ok(())
}
