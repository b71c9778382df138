//! The template of a Deployment's pods (`ValidatePodTemplateSpecForReplicaSet`, `ValidatePodSpec`).

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{
    FieldPath, Verdict, affinity, container, each, metadata, name, one_of, refuse, required,
    resources, security, selector, unique, volume, within, word_of,
};

/// A template whose pods `selecting` selects.
pub(super) fn template(
    at: &FieldPath,
    template: &PodTemplateSpec,
    selecting: &LabelSelector,
) -> Verdict {
    let given = template.metadata.as_ref();
    let labels = given.and_then(|metadata| metadata.labels.as_ref());
    if let Some(lacking) = selector::lacks(selecting, labels) {
        let rule = format!("do not match {lacking}, which spec.selector asks for");
        return refuse(&at.keys("metadata.labels"), rule);
    }
    if let Some(given) = given {
        metadata::of_template(&at.keys("metadata"), given)?;
    }
    let at = at.keys("spec");
    let Some(pod) = &template.spec else {
        return refuse(&at, "is missing");
    };
    spec(&at, pod)?;
    if pod
        .restart_policy
        .as_deref()
        .is_some_and(|policy| !matches!(policy, "" | "Always"))
    {
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
    one_of(
        &at.keys("restartPolicy"),
        pod.restart_policy.as_deref(),
        &restarts,
    )?;
    dns(at, pod)?;
    metadata::labels(&at.keys("nodeSelector"), pod.node_selector.as_ref())?;
    security::of_pod(at, pod)?;
    each(
        &at.keys("imagePullSecrets"),
        pod.image_pull_secrets.as_ref(),
        |at, secret| required(&at.keys("name"), &secret.name),
    )?;
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
            ip(&at.keys("ip"), &alias.ip)?;
            each(
                &at.keys("hostnames"),
                alias.hostnames.as_ref(),
                |at, host| name::dns_subdomain(at, host),
            )
        },
    )?;
    let preempts = ["PreemptLowerPriority", "Never"];
    one_of(
        &at.keys("preemptionPolicy"),
        pod.preemption_policy.as_deref(),
        &preempts,
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
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    for (field, object) in objects {
        if let Some(object) = given(object) {
            name::dns_subdomain(&at.keys(field), &object)?;
        }
    }
    for (field, label) in labels {
        if let Some(label) = given(label) {
            name::dns_label(&at.keys(field), &label)?;
        }
    }
    Ok(())
}

/// How the pod finds names (`validateDNSPolicy`, `validatePodDNSConfig`).
fn dns(at: &FieldPath, pod: &PodSpec) -> Verdict {
    let policy = pod.dns_policy.as_deref();
    let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    one_of(&at.keys("dnsPolicy"), policy, &policies)?;
    let at = at.keys("dnsConfig");
    let servers = pod
        .dns_config
        .as_ref()
        .and_then(|dns| dns.nameservers.as_ref());
    let number = servers.map_or(0, Vec::len);
    if policy == Some("None") && number == 0 {
        return refuse(
            &at.keys("nameservers"),
            "is missing; dnsPolicy None needs one",
        );
    }
    if number > 3 {
        return refuse(
            &at.keys("nameservers"),
            format!("has {number} entries, but 3 at most"),
        );
    }
    each(&at.keys("nameservers"), servers, |at, server| {
        ip(at, server)
    })
}

fn ip(at: &FieldPath, address: &str) -> Verdict {
    if address.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    refuse(at, format!("is `{address}`, which is no IP address"))
}

fn spread(at: &FieldPath, constraints: Option<&Vec<TopologySpreadConstraint>>) -> Verdict {
    let at = at.keys("topologySpreadConstraints");
    let mut seen = Vec::new();
    for (index, constraint) in constraints.into_iter().flatten().enumerate() {
        let at = at.index(index);
        within(&at.keys("maxSkew"), Some(constraint.max_skew), 1..=i64::MAX)?;
        required(&at.keys("topologyKey"), &constraint.topology_key)?;
        name::qualified(&at.keys("topologyKey"), &constraint.topology_key)?;
        let whens = ["DoNotSchedule", "ScheduleAnyway"];
        let when = &constraint.when_unsatisfiable;
        word_of(&at.keys("whenUnsatisfiable"), when, &whens)?;
        let pair = format!("{} with {when}", constraint.topology_key);
        let what = format!("the second with {pair}");
        if seen.contains(&pair) {
            return refuse(&at, format!("is {what}"));
        }
        seen.push(pair);
        within(&at.keys("minDomains"), constraint.min_domains, 1..=i64::MAX)?;
        if constraint.min_domains.is_some() && when != "DoNotSchedule" {
            return refuse(
                &at.keys("minDomains"),
                "goes with whenUnsatisfiable DoNotSchedule only",
            );
        }
        let honors = ["Honor", "Ignore"];
        one_of(
            &at.keys("nodeAffinityPolicy"),
            constraint.node_affinity_policy.as_deref(),
            &honors,
        )?;
        one_of(
            &at.keys("nodeTaintsPolicy"),
            constraint.node_taints_policy.as_deref(),
            &honors,
        )?;
        if let Some(selecting) = &constraint.label_selector {
            selector::check(&at.keys("labelSelector"), selecting)?;
        }
    }
    Ok(())
}

fn toleration(at: &FieldPath, toleration: &Toleration) -> Verdict {
    let key = toleration.key.as_deref().unwrap_or_default();
    let operator = toleration.operator.as_deref().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    let effect = toleration.effect.as_deref();
    if key.is_empty() {
        if operator != "Exists" {
            return refuse(&at.keys("operator"), "must be Exists where there is no key");
        }
    } else {
        name::qualified(&at.keys("key"), key)?;
    }
    if toleration.toleration_seconds.is_some() && effect != Some("NoExecute") {
        return refuse(
            &at.keys("effect"),
            "must be NoExecute beside tolerationSeconds",
        );
    }
    one_of(&at.keys("operator"), Some(operator), &["Equal", "Exists"])?;
    match operator {
        "Exists" if !value.is_empty() => {
            return refuse(&at.keys("value"), "must not be there beside Exists");
        }
        "Exists" => {}
        _ => name::label_value(&at.keys("value"), value)?,
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    one_of(&at.keys("effect"), effect, &effects)
}

/// Names of a list that must all be different.
pub(super) fn distinct(at: &FieldPath, seen: &mut Vec<String>, name: &str) -> Verdict {
    unique(at, seen, name.to_owned(), &format!("`{name}`"))
}
