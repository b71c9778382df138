//! Users, rights and namespaces of the node (`ValidateSecurityContext`, `validatePodSpecSecurityContext`).

use k8s_openapi::api::core::v1::{PodSpec, SeccompProfile, SecurityContext};

use super::{FieldPath, Verdict, each, one_of, refuse, required, within, word_of};

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
    within(&at.keys("fsGroup"), given.fs_group, IDS)?;
    within(&at.keys("runAsUser"), given.run_as_user, IDS)?;
    within(&at.keys("runAsGroup"), given.run_as_group, IDS)?;
    each(
        &at.keys("supplementalGroups"),
        given.supplemental_groups.as_ref(),
        |at, group| within(at, Some(*group), IDS),
    )?;
    let changes = ["OnRootMismatch", "Always"];
    one_of(
        &at.keys("fsGroupChangePolicy"),
        given.fs_group_change_policy.as_deref(),
        &changes,
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
    within(&at.keys("runAsUser"), given.run_as_user, IDS)?;
    within(&at.keys("runAsGroup"), given.run_as_group, IDS)?;
    one_of(
        &at.keys("procMount"),
        given.proc_mount.as_deref(),
        &["Default", "Unmasked"],
    )?;
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
    let own = profile.localhost_profile.as_deref();
    if profile.type_ == "Localhost" {
        required(&at.keys("localhostProfile"), own.unwrap_or_default())?;
        super::volume::inner_path(&at.keys("localhostProfile"), own.unwrap_or_default())?;
    } else if own.is_some() {
        return refuse(
            &at.keys("localhostProfile"),
            "goes with type Localhost only",
        );
    }
    word_of(&at.keys("type"), &profile.type_, &kinds)
}
