//! The containers of a pod (`ValidateContainers`, `validateInitContainers`, `validateContainerCommon`).

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, PodSpec, VolumeMount,
};

use super::{
    FieldPath, Verdict, distinct, each, exactly_one, given, name, probe, refuse, required,
    resources, security, volume, within, word_of, words,
};

/// The ports that there are.
pub(super) const PORTS: std::ops::RangeInclusive<i64> = 1..=65535;

/// All containers of a pod: their names are different, and their ports on the node too.
pub(super) fn all(at: &FieldPath, pod: &PodSpec) -> Verdict {
    let field = at.keys("containers");
    if pod.containers.is_empty() {
        return refuse(
            &field,
            "is missing or empty; a pod has at least one container",
        );
    }
    let grace = pod.termination_grace_period_seconds;
    let mut names = Vec::new();
    let mut taken = Vec::new();
    for (index, container) in pod.containers.iter().enumerate() {
        let at = field.index(index);
        common(&at, container, pod)?;
        distinct(&at.keys("name"), &mut names, &container.name)?;
        probe::of_container(&at, container, grace)?;
        host_ports(&at, container, pod, &mut taken)?;
    }
    for (index, container) in pod.init_containers.iter().flatten().enumerate() {
        let at = at.keys("initContainers").index(index);
        common(&at, container, pod)?;
        if container.restart_policy.as_deref() == Some("Always") {
            probe::of_container(&at, container, grace)?;
        } else {
            only_for_sidecars(&at, container)?;
        }
        distinct(&at.keys("name"), &mut names, &container.name)?;
    }
    Ok(())
}

fn only_for_sidecars(at: &FieldPath, container: &Container) -> Verdict {
    let given = [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((field, _)) => refuse(
            &at.keys(field),
            "must not be there in an init container that does not restart Always",
        ),
        None => Ok(()),
    }
}

fn common(at: &FieldPath, container: &Container, pod: &PodSpec) -> Verdict {
    name::dns_label(&at.keys("name"), &container.name)?;
    required(
        &at.keys("image"),
        container.image.as_deref().unwrap_or_default(),
    )?;
    let ends = ["File", "FallbackToLogsOnError"];
    let pulls = ["Always", "IfNotPresent", "Never"];
    let restarts = ["Always", "OnFailure", "Never"];
    words(
        at,
        &[
            (
                "terminationMessagePolicy",
                &container.termination_message_policy,
                &ends,
            ),
            ("imagePullPolicy", &container.image_pull_policy, &pulls),
            ("restartPolicy", &container.restart_policy, &restarts),
        ],
    )?;
    ports(&at.keys("ports"), container.ports.as_ref())?;
    each(&at.keys("env"), container.env.as_ref(), variable)?;
    each(&at.keys("envFrom"), container.env_from.as_ref(), variables)?;
    mounts(
        &at.keys("volumeMounts"),
        container.volume_mounts.as_ref(),
        pod,
    )?;
    if let Some(wanted) = &container.resources {
        resources::check(&at.keys("resources"), wanted)?;
    }
    each(
        &at.keys("resizePolicy"),
        container.resize_policy.as_ref(),
        |at, policy| {
            word_of(
                &at.keys("resourceName"),
                &policy.resource_name,
                &["cpu", "memory"],
            )?;
            let restarts = ["NotRequired", "RestartContainer"];
            word_of(&at.keys("restartPolicy"), &policy.restart_policy, &restarts)
        },
    )?;
    security::of_container(
        &at.keys("securityContext"),
        container.security_context.as_ref(),
    )
}

fn ports(at: &FieldPath, ports: Option<&Vec<ContainerPort>>) -> Verdict {
    let mut names = Vec::new();
    for (index, port) in ports.into_iter().flatten().enumerate() {
        let at = at.index(index);
        if let Some(own) = given(port.name.as_ref()) {
            name::port_name(&at.keys("name"), own)?;
            distinct(&at.keys("name"), &mut names, own)?;
        }
        if port.container_port == 0 {
            return refuse(&at.keys("containerPort"), "is missing");
        }
        within(&at.keys("containerPort"), Some(port.container_port), PORTS)?;
        within(
            &at.keys("hostPort"),
            port.host_port.filter(|port| *port != 0),
            PORTS,
        )?;
        let protocols = ["TCP", "UDP", "SCTP"];
        words(&at, &[("protocol", &port.protocol, &protocols)])?;
    }
    Ok(())
}

/// A port on the node goes to one container, and is the container's own where it uses the node's network. Without one
/// (0 is none) the template of a Deployment may stay (`AccumulateUniqueHostPorts`, `validatePodHostNetworkDeps`).
fn host_ports(
    at: &FieldPath,
    container: &Container,
    pod: &PodSpec,
    taken: &mut Vec<String>,
) -> Verdict {
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let field = at.keys("ports").index(index).keys("hostPort");
        let Some(host) = port.host_port.filter(|port| *port != 0) else {
            continue;
        };
        if pod.host_network == Some(true) && host != port.container_port {
            let rule = format!("is {host}, but must be containerPort, as hostNetwork is true");
            return refuse(&field, rule);
        }
        let protocol = given(port.protocol.as_ref()).unwrap_or("TCP");
        let ip = port.host_ip.as_deref().unwrap_or_default();
        distinct(&field, taken, &format!("{protocol} {ip}:{host}"))?;
    }
    Ok(())
}

fn variable(at: &FieldPath, variable: &EnvVar) -> Verdict {
    name::variable(&at.keys("name"), &variable.name)?;
    let Some(source) = &variable.value_from else {
        return Ok(());
    };
    let at = at.keys("valueFrom");
    source_of_variable(&at, source)?;
    if given(variable.value.as_ref()).is_some() {
        return refuse(&at, "is one too many beside value; keep one of them");
    }
    Ok(())
}

fn source_of_variable(at: &FieldPath, source: &EnvVarSource) -> Verdict {
    let given = [
        ("fieldRef", source.field_ref.is_some()),
        ("resourceFieldRef", source.resource_field_ref.is_some()),
        ("configMapKeyRef", source.config_map_key_ref.is_some()),
        ("secretKeyRef", source.secret_key_ref.is_some()),
        ("fileKeyRef", source.file_key_ref.is_some()),
    ];
    exactly_one(at, &given, "source")?;
    if let Some(field) = &source.field_ref {
        field_of_pod(&at.keys("fieldRef.fieldPath"), &field.field_path)?;
    }
    if let Some(resource) = &source.resource_field_ref {
        amount_of_container(&at.keys("resourceFieldRef.resource"), &resource.resource)?;
    }
    let map = source.config_map_key_ref.as_ref();
    let secret = source.secret_key_ref.as_ref();
    let keys = [
        ("configMapKeyRef", map.map(|map| (&map.name, &map.key))),
        ("secretKeyRef", secret.map(|it| (&it.name, &it.key))),
    ];
    for (field, named) in keys {
        if let Some((object, key)) = named {
            name::dns_subdomain(&at.keys(field).keys("name"), object)?;
            name::map_key(&at.keys(field).keys("key"), key)?;
        }
    }
    Ok(())
}

/// What a variable can tell of its pod (`validEnvDownwardAPIFieldPathExpressions`).
fn field_of_pod(at: &FieldPath, path: &str) -> Verdict {
    required(at, path)?;
    let of_map = |map: &str| {
        let key = path
            .strip_prefix(map)
            .and_then(|rest| rest.strip_prefix("['"));
        key.is_some_and(|key| key.ends_with("']"))
    };
    if of_map("metadata.labels") || of_map("metadata.annotations") {
        return Ok(());
    }
    word_of(
        at,
        path,
        &[
            "metadata.name",
            "metadata.namespace",
            "metadata.uid",
            "spec.nodeName",
            // The old name of it.
            "spec.host",
            "spec.serviceAccountName",
            "status.hostIP",
            "status.hostIPs",
            "status.podIP",
            "status.podIPs",
        ],
    )
}

fn amount_of_container(at: &FieldPath, resource: &str) -> Verdict {
    required(at, resource)?;
    if resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-") {
        return Ok(());
    }
    word_of(
        at,
        resource,
        &[
            "limits.cpu",
            "limits.memory",
            "limits.ephemeral-storage",
            "requests.cpu",
            "requests.memory",
            "requests.ephemeral-storage",
        ],
    )
}

fn variables(at: &FieldPath, source: &EnvFromSource) -> Verdict {
    if let Some(prefix) = given(source.prefix.as_ref()) {
        name::variable(&at.keys("prefix"), prefix)?;
    }
    let map = source.config_map_ref.as_ref().map(|map| &map.name);
    let secret = source.secret_ref.as_ref().map(|secret| &secret.name);
    let sources = [("configMapRef", map), ("secretRef", secret)];
    let there = sources.map(|(field, object)| (field, object.is_some()));
    exactly_one(at, &there, "source")?;
    for (field, object) in sources {
        if let Some(object) = object {
            name::dns_subdomain(&at.keys(field).keys("name"), object)?;
        }
    }
    Ok(())
}

fn mounts(at: &FieldPath, mounts: Option<&Vec<VolumeMount>>, pod: &PodSpec) -> Verdict {
    let mut paths = Vec::new();
    for (index, mount) in mounts.into_iter().flatten().enumerate() {
        let at = at.index(index);
        required(&at.keys("name"), &mount.name)?;
        let mut volumes = pod.volumes.iter().flatten();
        if !volumes.any(|volume| volume.name == mount.name) {
            let rule = format!(
                "is `{}`, but spec.template.spec.volumes has none of it",
                mount.name
            );
            return refuse(&at.keys("name"), rule);
        }
        required(&at.keys("mountPath"), &mount.mount_path)?;
        distinct(&at.keys("mountPath"), &mut paths, &mount.mount_path)?;
        let of_path = [
            ("subPath", &mount.sub_path),
            ("subPathExpr", &mount.sub_path_expr),
        ];
        for (field, path) in of_path {
            if let Some(path) = given(path.as_ref()) {
                volume::inner_path(&at.keys(field), path)?;
            }
        }
        let spread = ["None", "HostToContainer", "Bidirectional"];
        words(
            &at,
            &[("mountPropagation", &mount.mount_propagation, &spread)],
        )?;
    }
    Ok(())
}
