//! Users, rights and namespaces of the node (`ValidateSecurityContext`, `validatePodSpecSecurityContext`).

use k8s_openapi::api::core::v1::{PodSpec, SeccompProfile, SecurityContext};

use super::{FieldPath, Verdict, all_within, each, refuse, required, within, word_of, words};

/// The numbers of users and groups.
const IDS: std::ops::RangeInclusive<i64> = 0..=i32::MAX as i64;

/// The security of a pod.
pub(super) fn of_pod(at: &FieldPath, pod: &PodSpec) -> Verdict {
    if pod.share_process_namespace == Some(true) && pod.host_pid == Some(true) {
        return refuse(
            &at.keys("shareProcessNamespace"),
            "must not be true beside hostPID",
        );
    }
    let at = at.keys("securityContext");
    let Some(given) = &pod.security_context else {
        return Ok(());
    };
    let ids = [
        ("fsGroup", given.fs_group),
        ("runAsUser", given.run_as_user),
        ("runAsGroup", given.run_as_group),
    ];
    all_within(&at, &ids, &IDS)?;
    each(
        &at.keys("supplementalGroups"),
        given.supplemental_groups.as_ref(),
        |at, group| within(at, Some(*group), IDS),
    )?;
    let changes = ["OnRootMismatch", "Always"];
    words(
        &at,
        &[(
            "fsGroupChangePolicy",
            &given.fs_group_change_policy,
            &changes,
        )],
    )?;
    each(&at.keys("sysctls"), given.sysctls.as_ref(), |at, sysctl| {
        required(&at.keys("name"), &sysctl.name)
    })?;
    seccomp(&at.keys("seccompProfile"), given.seccomp_profile.as_ref())
}

/// The security of a container.
pub(super) fn of_container(at: &FieldPath, given: Option<&SecurityContext>) -> Verdict {
    let Some(given) = given else {
        return Ok(());
    };
    let ids = [
        ("runAsUser", given.run_as_user),
        ("runAsGroup", given.run_as_group),
    ];
    all_within(at, &ids, &IDS)?;
    let mounts = ["Default", "Unmasked"];
    words(at, &[("procMount", &given.proc_mount, &mounts)])?;
    if given.allow_privilege_escalation == Some(false) {
        let field = at.keys("allowPrivilegeEscalation");
        if given.privileged == Some(true) {
            return refuse(&field, "is false, but must not be where privileged is true");
        }
        let added = given
            .capabilities
            .iter()
            .flat_map(|these| these.add.iter().flatten());
        if added
            .into_iter()
            .any(|capability| capability == "CAP_SYS_ADMIN")
        {
            return refuse(
                &field,
                "is false, but must not be where CAP_SYS_ADMIN is added",
            );
        }
    }
    seccomp(&at.keys("seccompProfile"), given.seccomp_profile.as_ref())
}

fn seccomp(at: &FieldPath, profile: Option<&SeccompProfile>) -> Verdict {
    let Some(profile) = profile else {
        return Ok(());
    };
    let kinds = ["RuntimeDefault", "Unconfined", "Localhost"];
    let own = at.keys("localhostProfile");
    match (profile.type_.as_str(), &profile.localhost_profile) {
        ("Localhost", Some(path)) => super::volume::inner_path(&own, path)?,
        ("Localhost", None) => return refuse(&own, "is missing for type Localhost"),
        (_, Some(_)) => return refuse(&own, "goes with type Localhost only"),
        (_, None) => {}
    }
    word_of(&at.keys("type"), &profile.type_, &kinds)
}
