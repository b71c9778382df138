//! Probes and hooks of a container (`validateProbe`, `validateHandler`).

use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    FieldPath, Verdict, all_within, container::PORTS, each, exactly_one, name, refuse, within,
    words,
};

/// The seconds a pod has to end, where it gives none (`pkg/apis/core/v1/defaults.go`).
const DEFAULT_GRACE: i64 = 30;

/// Hooks and probes of a container that goes on.
pub(super) fn of_container(at: &FieldPath, container: &Container, grace: Option<i64>) -> Verdict {
    if let Some(lifecycle) = &container.lifecycle {
        let at = at.keys("lifecycle");
        for (field, hook) in [
            ("postStart", &lifecycle.post_start),
            ("preStop", &lifecycle.pre_stop),
        ] {
            if let Some(hook) = hook {
                self::hook(&at.keys(field), hook, grace.unwrap_or(DEFAULT_GRACE))?;
            }
        }
    }
    let kinds = [
        ("livenessProbe", &container.liveness_probe, true),
        ("readinessProbe", &container.readiness_probe, false),
        ("startupProbe", &container.startup_probe, true),
    ];
    for (field, given, restarts) in kinds {
        if let Some(given) = given {
            probe(&at.keys(field), given, restarts)?;
        }
    }
    Ok(())
}

/// `restarts` where a failure restarts the container.
fn probe(at: &FieldPath, probe: &Probe, restarts: bool) -> Verdict {
    handler(
        at,
        (&probe.exec, &probe.http_get, &probe.tcp_socket),
        ("grpc", probe.grpc.is_some()),
    )?;
    if let Some(grpc) = &probe.grpc {
        within(&at.keys("grpc.port"), Some(grpc.port), PORTS)?;
    }
    let numbers = [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ];
    all_within(at, &numbers, &(0..=i64::MAX))?;
    let grace = at.keys("terminationGracePeriodSeconds");
    within(&grace, probe.termination_grace_period_seconds, 1..=i64::MAX)?;
    match probe.success_threshold {
        Some(threshold) if restarts && threshold > 1 => {
            let rule =
                format!("is {threshold}, but must be 1 where a failure restarts the container");
            refuse(&at.keys("successThreshold"), rule)
        }
        _ if !restarts && probe.termination_grace_period_seconds.is_some() => {
            refuse(&grace, "must not be there in a readinessProbe")
        }
        _ => Ok(()),
    }
}

fn hook(at: &FieldPath, hook: &LifecycleHandler, grace: i64) -> Verdict {
    handler(
        at,
        (&hook.exec, &hook.http_get, &hook.tcp_socket),
        ("sleep", hook.sleep.is_some()),
    )?;
    let seconds = hook.sleep.as_ref().map(|sleep| sleep.seconds);
    within(&at.keys("sleep.seconds"), seconds, 0..=grace)
}

/// What probes and hooks can do alike.
type Handlers<'a> = (
    &'a Option<ExecAction>,
    &'a Option<HTTPGetAction>,
    &'a Option<TCPSocketAction>,
);

/// One thing to do; `other` is what only a probe or only a hook can.
fn handler(at: &FieldPath, (exec, get, tcp): Handlers<'_>, other: (&str, bool)) -> Verdict {
    let there = [
        ("exec", exec.is_some()),
        ("httpGet", get.is_some()),
        ("tcpSocket", tcp.is_some()),
        other,
    ];
    exactly_one(at, &there, "handler")?;
    if let Some(exec) = exec {
        command(&at.keys("exec"), exec)?;
    }
    if let Some(get) = get {
        http(&at.keys("httpGet"), get)?;
    }
    if let Some(tcp) = tcp {
        port(&at.keys("tcpSocket.port"), &tcp.port)?;
    }
    Ok(())
}

fn command(at: &FieldPath, exec: &ExecAction) -> Verdict {
    if exec.command.as_ref().is_none_or(Vec::is_empty) {
        return refuse(&at.keys("command"), "is missing");
    }
    Ok(())
}

fn http(at: &FieldPath, get: &HTTPGetAction) -> Verdict {
    port(&at.keys("port"), &get.port)?;
    words(at, &[("scheme", &get.scheme, &["HTTP", "HTTPS"])])?;
    each(
        &at.keys("httpHeaders"),
        get.http_headers.as_ref(),
        |at, header| name::header(&at.keys("name"), &header.name),
    )
}

/// A port by its number, or by the name that the container gives it.
fn port(at: &FieldPath, port: &IntOrString) -> Verdict {
    match port {
        IntOrString::Int(number) => within(at, Some(*number), PORTS),
        IntOrString::String(name) => name::port_name(at, name),
    }
}
