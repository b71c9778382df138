//! The template of a Deployment's pods (`ValidatePodTemplateSpecForReplicaSet`, `ValidatePodSpec`).

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{
    FieldPath, Verdict, affinity, container, distinct, each, given, metadata, name, refuse,
    required, resources, security, selector, volume, within, word_of, words,
};

/// A template whose pods `selecting` selects.
pub(super) fn template(
    at: &FieldPath,
    template: &PodTemplateSpec,
    selecting: &LabelSelector,
) -> Verdict {
    let metadata = template.metadata.as_ref();
    let labels = metadata.and_then(|metadata| metadata.labels.as_ref());
    if let Some(lacking) = selector::lacks(selecting, labels) {
        let rule = format!("do not match {lacking}, which spec.selector asks for");
        return refuse(&at.keys("metadata.labels"), rule);
    }
    if let Some(metadata) = metadata {
        metadata::of_template(&at.keys("metadata"), metadata)?;
    }
    let at = at.keys("spec");
    let Some(pod) = &template.spec else {
        return refuse(&at, "is missing");
    };
    spec(&at, pod)?;
    if given(pod.restart_policy.as_ref()).is_some_and(|policy| policy != "Always") {
        let rule = "must be Always in a Deployment; take that line out";
        return refuse(&at.keys("restartPolicy"), rule);
    }
    if pod.active_deadline_seconds.is_some() {
        return refuse(
            &at.keys("activeDeadlineSeconds"),
            "must not be there in a Deployment",
        );
    }
    if pod
        .ephemeral_containers
        .as_ref()
        .is_some_and(|list| !list.is_empty())
    {
        return refuse(
            &at.keys("ephemeralContainers"),
            "must not be there in a template",
        );
    }
    Ok(())
}

fn spec(at: &FieldPath, pod: &PodSpec) -> Verdict {
    volume::all(&at.keys("volumes"), pod.volumes.as_ref())?;
    container::all(at, pod)?;
    if let Some(budget) = &pod.resources {
        resources::check(&at.keys("resources"), budget)?;
    }
    let restarts = ["Always", "OnFailure", "Never"];
    let dns = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    let preempts = ["PreemptLowerPriority", "Never"];
    words(
        at,
        &[
            ("restartPolicy", &pod.restart_policy, &restarts),
            ("dnsPolicy", &pod.dns_policy, &dns),
            ("preemptionPolicy", &pod.preemption_policy, &preempts),
        ],
    )?;
    name_servers(at, pod)?;
    metadata::labels(&at.keys("nodeSelector"), pod.node_selector.as_ref())?;
    security::of_pod(at, pod)?;
    affinity::check(&at.keys("affinity"), pod.affinity.as_ref())?;
    each(
        &at.keys("readinessGates"),
        pod.readiness_gates.as_ref(),
        |at, gate| name::qualified(&at.keys("conditionType"), &gate.condition_type),
    )?;
    each(
        &at.keys("schedulingGates"),
        pod.scheduling_gates.as_ref(),
        |at, gate| name::qualified(&at.keys("name"), &gate.name),
    )?;
    spread(at, pod.topology_spread_constraints.as_ref())?;
    names(at, pod)?;
    within(
        &at.keys("activeDeadlineSeconds"),
        pod.active_deadline_seconds,
        1..=i32::MAX.into(),
    )?;
    each(
        &at.keys("tolerations"),
        pod.tolerations.as_ref(),
        toleration,
    )?;
    each(
        &at.keys("hostAliases"),
        pod.host_aliases.as_ref(),
        |at, alias| {
            each(
                &at.keys("hostnames"),
                alias.hostnames.as_ref(),
                |at, host| name::dns_subdomain(at, host),
            )
        },
    )?;
    if let Some(os) = &pod.os {
        word_of(&at.keys("os.name"), &os.name, &["linux", "windows"])?;
    }
    Ok(())
}

/// Names of other objects, and those that the pod gives itself.
fn names(at: &FieldPath, pod: &PodSpec) -> Verdict {
    let objects = [
        ("serviceAccountName", &pod.service_account_name),
        ("nodeName", &pod.node_name),
        ("priorityClassName", &pod.priority_class_name),
        ("runtimeClassName", &pod.runtime_class_name),
    ];
    let labels = [("hostname", &pod.hostname), ("subdomain", &pod.subdomain)];
    for (field, object) in objects {
        if let Some(object) = given(object.as_ref()) {
            name::dns_subdomain(&at.keys(field), object)?;
        }
    }
    for (field, label) in labels {
        if let Some(label) = given(label.as_ref()) {
            name::dns_label(&at.keys(field), label)?;
        }
    }
    Ok(())
}

/// Three at most, as many as the C library reads, and one where nobody else gives any (`validatePodDNSConfig`).
fn name_servers(at: &FieldPath, pod: &PodSpec) -> Verdict {
    let at = at.keys("dnsConfig.nameservers");
    let config = pod.dns_config.as_ref();
    let servers = config.and_then(|config| config.nameservers.as_ref());
    match servers.map_or(0, Vec::len) {
        0 if pod.dns_policy.as_deref() == Some("None") => {
            refuse(&at, "is missing; dnsPolicy None needs one")
        }
        number @ 4.. => refuse(&at, format!("has {number} entries, but 3 at most")),
        _ => Ok(()),
    }
}

fn spread(at: &FieldPath, constraints: Option<&Vec<TopologySpreadConstraint>>) -> Verdict {
    let at = at.keys("topologySpreadConstraints");
    let mut seen = Vec::new();
    for (index, constraint) in constraints.into_iter().flatten().enumerate() {
        let at = at.index(index);
        within(&at.keys("maxSkew"), Some(constraint.max_skew), 1..=i64::MAX)?;
        required(&at.keys("topologyKey"), &constraint.topology_key)?;
        let whens = ["DoNotSchedule", "ScheduleAnyway"];
        let when = &constraint.when_unsatisfiable;
        word_of(&at.keys("whenUnsatisfiable"), when, &whens)?;
        let pair = format!("{} with {when}", constraint.topology_key);
        distinct(&at, &mut seen, &pair)?;
        within(&at.keys("minDomains"), constraint.min_domains, 1..=i64::MAX)?;
        if constraint.min_domains.is_some() && when != "DoNotSchedule" {
            return refuse(
                &at.keys("minDomains"),
                "goes with whenUnsatisfiable DoNotSchedule only",
            );
        }
        let honors = ["Honor", "Ignore"];
        words(
            &at,
            &[
                (
                    "nodeAffinityPolicy",
                    &constraint.node_affinity_policy,
                    &honors,
                ),
                ("nodeTaintsPolicy", &constraint.node_taints_policy, &honors),
            ],
        )?;
        selector::check(
            &at.keys("labelSelector"),
            constraint.label_selector.as_ref(),
        )?;
    }
    Ok(())
}

fn toleration(at: &FieldPath, toleration: &Toleration) -> Verdict {
    let operator = given(toleration.operator.as_ref()).unwrap_or("Equal");
    match given(toleration.key.as_ref()) {
        None if operator != "Exists" => {
            return refuse(&at.keys("operator"), "must be Exists where there is no key");
        }
        None => {}
        Some(key) => name::qualified(&at.keys("key"), key)?,
    }
    if toleration.toleration_seconds.is_some() && toleration.effect.as_deref() != Some("NoExecute")
    {
        return refuse(
            &at.keys("effect"),
            "must be NoExecute beside tolerationSeconds",
        );
    }
    word_of(&at.keys("operator"), operator, &["Equal", "Exists"])?;
    if let Some(value) = given(toleration.value.as_ref()) {
        if operator == "Exists" {
            return refuse(&at.keys("value"), "must not be there beside Exists");
        }
        name::label_value(&at.keys("value"), value)?;
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    words(at, &[("effect", &toleration.effect, &effects)])
}
