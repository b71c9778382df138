use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::hpa::*;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root(path)).unwrap()
}

/// Deployment and autoscaler of a folder; what is not there is the reference's.
fn pair(folder: &str) -> (ApiDeployment, HpaSpec) {
    let read = |name| {
        let mut file = root(folder).join(name);
        if !file.exists() {
            file = root("deploy/k8s/solved").join(name);
        }
        ManifestFile::read(file).unwrap()
    };
    (
        read("api-deploy.yaml").deployment().unwrap(),
        read("api-hpa.yaml").hpa().unwrap(),
    )
}

/// A solved manifest without its comments, so that their wording does not move the lines.
fn bare(file: &str) -> String {
    let text = text(&format!("deploy/k8s/solved/{file}"));
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n")
}

fn deployment_error(edit: impl Fn(String) -> String) -> String {
    let text = edit(bare("api-deploy.yaml"));
    parse_deployment(Path::new("api-deploy.yaml"), &text)
        .unwrap_err()
        .to_string()
}

fn hpa_error(edit: impl Fn(String) -> String) -> String {
    parse_hpa(Path::new("api-hpa.yaml"), &edit(bare("api-hpa.yaml")))
        .unwrap_err()
        .to_string()
}

/// One tick with `running` pods of the Deployment that each use `usage`, ready for long enough.
fn tick(folder: &str, running: u32, usage: u64) -> Decision {
    let (deployment, spec) = pair(folder);
    let now = Duration::from_mins(1);
    let pods: Vec<_> = (0..running)
        .map(|index| PodSample {
            name: format!("api-{index}"),
            phase: PodPhase::Running,
            deleting: false,
            started: Some(Duration::ZERO),
            readiness: Some(Readiness {
                ready: true,
                since: Duration::from_secs(1),
            }),
            usage: Some(Usage {
                cpu: Millicores(usage),
                at: now,
                window: Duration::from_secs(2),
            }),
            request: deployment.request.clone(),
        })
        .collect();
    Autoscaler::new(spec, deployment.object_ref()).tick(now, running, &pods)
}

#[test]
fn starters_point_at_the_task_and_solutions_do_not() {
    for file in ["api-deploy.yaml", "api-hpa.yaml"] {
        assert!(
            text(&format!("deploy/k8s/starter/{file}")).contains("# LAB: STEP4 TODO"),
            "{file}"
        );
        assert!(
            !text(&format!("deploy/k8s/solved/{file}")).contains("TODO"),
            "{file}"
        );
    }
}

#[test]
fn solved_goes_to_four_at_once() {
    let decision = tick("deploy/k8s/solved", 1, 200);
    assert_eq!(
        (decision.desired, decision.current_utilization),
        (4, Some(400))
    );
    insta::assert_snapshot!(
        decision.reason,
        @"CPU use is 400% of the requests, the target 60%: it takes 7 replicas, but maxReplicas is 4"
    );
}

#[test]
fn starter_stays_at_one_and_says_why() {
    let decision = tick("deploy/k8s/starter", 1, 200);
    assert_eq!((decision.desired, decision.current_utilization), (1, None));
    insta::assert_snapshot!(decision.reason);
    let active = decision
        .conditions
        .iter()
        .find(|condition| condition.kind == ConditionKind::ScalingActive)
        .unwrap();
    assert_eq!(
        (active.holds, active.reason),
        (false, Reason::FailedGetResourceMetric)
    );
    // That is the answer of the step.
    assert!(decision.gives_away);
    assert!(!tick("deploy/k8s/solved", 1, 200).gives_away);
}

#[test]
fn cheats_do_what_they_say() {
    assert_eq!(
        tick("driver/cheats/autoscale/max-without-request", 1, 200).desired,
        1
    );
    assert_eq!(
        tick("driver/cheats/autoscale/bigger-pod", 1, 400).desired,
        1
    );
    let (deployment, spec) = pair("driver/cheats/autoscale/fixed-replicas");
    assert_eq!((deployment.replicas, spec.min, spec.max), (4, 4, 4));
    assert_eq!(
        tick("driver/cheats/autoscale/fixed-replicas", 4, 0).desired,
        4
    );
    // Of pods that only serve what comes before the demand.
    assert_eq!(
        tick("driver/cheats/autoscale/small-request", 1, 20).desired,
        2
    );
    assert_eq!(
        tick("driver/cheats/autoscale/request-without-max", 1, 200).desired,
        1
    );
    let (paused, _) = pair("driver/cheats/autoscale/paused");
    assert!(paused.no_pods().unwrap().contains("spec.paused"));
}

#[test]
fn fixes_scale_with_the_demand_and_not_before() {
    // Not more than four at a time.
    for (fix, at_the_limit) in [("limits-only", 2), ("request-100m", 3), ("max-10", 4)] {
        let folder = format!("driver/fixes/autoscale/{fix}");
        assert_eq!(tick(&folder, 1, 20).desired, 1, "{fix}");
        assert_eq!(tick(&folder, 1, 200).desired, at_the_limit, "{fix}");
    }
}

#[test]
fn a_deployment_without_pods_says_why() {
    let (solved, _) = pair("deploy/k8s/solved");
    assert_eq!(solved.no_pods(), None);
    let text = bare("api-deploy.yaml").replacen("spec:\n", "spec:\n  replicas: 0\n", 1);
    let none = parse_deployment(Path::new("api-deploy.yaml"), &text).unwrap();
    assert!(none.no_pods().unwrap().contains("spec.replicas is 0"));
}

#[test]
fn the_deployment_after_the_api_servers_defaults() {
    let (solved, _) = pair("deploy/k8s/solved");
    assert_eq!(
        (
            solved.namespace.as_str(),
            solved.name.as_str(),
            solved.replicas
        ),
        ("lab", "api", 1)
    );
    assert_eq!(
        (solved.cpu_request(), solved.cpu_limit),
        (Some(Millicores(50)), Some(Millicores(200)))
    );

    let (starter, _) = pair("deploy/k8s/starter");
    assert_eq!(
        starter.cpu_request(),
        Some(Millicores(0)),
        "an explicit 0 is not missing"
    );

    let without = text("deploy/k8s/solved/api-deploy.yaml").replace("cpu: 50m, ", "");
    let without = parse_deployment(Path::new("x.yaml"), &without).unwrap();
    assert_eq!(
        without.cpu_request(),
        Some(Millicores(200)),
        "a missing request becomes the limit"
    );

    let number = text("deploy/k8s/solved/api-deploy.yaml").replace("cpu: 200m", "cpu: 1");
    let number = parse_deployment(Path::new("x.yaml"), &number).unwrap();
    assert_eq!(
        number.cpu_limit,
        Some(Millicores(1000)),
        "an amount need not be in quotes"
    );
}

#[test]
fn a_container_without_request_and_limit_is_named() {
    let sidecar = "      containers:\n        - { name: proxy, image: \"proxy:1\" }\n";
    let two = text("deploy/k8s/solved/api-deploy.yaml").replace("      containers:\n", sidecar);
    let deployment = parse_deployment(Path::new("x.yaml"), &two).unwrap();
    assert_eq!(
        deployment.request,
        CpuRequest::Missing {
            container: "proxy".into()
        }
    );
    assert_eq!(
        deployment.cpu_limit,
        Some(Millicores(200)),
        "the limit is the api container's"
    );
}

#[test]
fn the_hpa_after_the_api_servers_defaults() {
    let (_, solved) = pair("deploy/k8s/solved");
    assert_eq!(
        (solved.min, solved.max, solved.target_utilization),
        (1, 4, 60)
    );
    assert_eq!(
        solved.behavior, None,
        "without `behavior` the controller's own limits hold"
    );

    let half = "  behavior:\n    scaleDown:\n      stabilizationWindowSeconds: 30\n      tolerance: 0.05\n";
    let half = text("deploy/k8s/solved/api-hpa.yaml") + half;
    let behavior = parse_hpa(Path::new("x.yaml"), &half)
        .unwrap()
        .behavior
        .unwrap();
    assert_eq!(behavior.scale_up, ScalingRules::default_scale_up());
    assert_eq!(
        behavior.scale_down,
        ScalingRules {
            stabilization: Some(Duration::from_secs(30)),
            tolerance: Some(0.05),
            ..ScalingRules::default_scale_down()
        }
    );
    let bare = text("deploy/k8s/solved/api-hpa.yaml");
    let bare = &bare[..bare.find("  metrics:").unwrap()];
    assert_eq!(
        parse_hpa(Path::new("x.yaml"), bare)
            .unwrap()
            .target_utilization,
        80
    );
}

#[test]
fn the_first_version_of_the_hpa_is_read_as_the_second() {
    let v1 = |more: &str| {
        format!(
            "---\napiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {{ name: api, namespace: lab }}\n\
             spec:\n  scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: api }}\n  maxReplicas: 4\n{more}\n---\n"
        )
    };
    let parse = |more: &str| parse_hpa(Path::new("x.yaml"), &v1(more));
    let (_, solved) = pair("deploy/k8s/solved");
    let first = parse("  targetCPUUtilizationPercentage: 60").unwrap();
    assert_eq!(first, solved);
    assert_eq!(parse("").unwrap().target_utilization, 80);
    let zero = parse("  targetCPUUtilizationPercentage: 0").unwrap_err();
    assert_eq!(
        zero.to_string(),
        "x.yaml:8: spec.targetCPUUtilizationPercentage is 0, but must be at least 1"
    );
    let path = Path::new("x.yaml").to_owned();
    let text = v1("  minReplicas: 2");
    let objects = ManifestFile { path, text }.objects().unwrap();
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["apiVersion"], "autoscaling/v1");
    assert_eq!(objects[0]["spec"]["minReplicas"], 2);
}

#[test]
fn a_reference_to_another_name_finds_nothing() {
    let (deployment, mut spec) = pair("deploy/k8s/solved");
    spec.target.name = "web".into();
    let decision = Autoscaler::new(spec, deployment.object_ref()).tick(Duration::ZERO, 1, &[]);
    assert_eq!(decision.desired, 1);
    assert_eq!(decision.conditions.len(), 1);
    assert_eq!(decision.conditions[0].reason, Reason::FailedGetScale);
    insta::assert_snapshot!(decision.reason);
}

#[test]
fn mistakes_are_explained() {
    let swap = |from: &'static str, to: &'static str| {
        move |text: String| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        }
    };
    let errors = [
        hpa_error(swap("maxReplicas", "maxReplica")),
        hpa_error(swap(
            "          averageUtilization",
            "          averageUtilisation",
        )),
        hpa_error(swap(
            "          type: Utilization",
            "          type: Utilisation",
        )),
        hpa_error(swap("    - type: Resource", "    - type: Pods")),
        hpa_error(swap(
            "          averageUtilization: 60",
            "          averageValue: 100m",
        )),
        hpa_error(swap("maxReplicas: 4", "maxReplicas: \"4\"")),
        hpa_error(|_| "# nothing\n---\n".into()),
        hpa_error(swap("    - type: Resource", "    - type: CheddarCheese")),
        hpa_error(swap("name: cpu", "name: memory")),
        hpa_error(swap("maxReplicas: 4", "maxReplicas: 0")),
        hpa_error(swap("minReplicas: 1", "minReplicas: 6")),
        hpa_error(swap("maxReplicas: 4", "maxReplicas: four")),
        hpa_error(swap("autoscaling/v2", "autoscaling/v1")),
        hpa_error(swap(
            "  maxReplicas: 4\n",
            "  maxReplicas: 4\n  maxReplicas: 5\n",
        )),
        hpa_error(|text| text.clone() + "---\n" + &text),
        hpa_error(|text| {
            text + "  behavior:\n    scaleUp:\n      policies:\n        - { type: Pods, value: 2, periodSeconds: 0 }\n"
        }),
        hpa_error(|_| text("deploy/k8s/solved/api-deploy.yaml")),
        hpa_error(|_| "kind: [".into()),
        deployment_error(swap("limits:", "limit:")),
        deployment_error(swap("memory: 64Mi", "memory: 64MB")),
        deployment_error(swap("memory: 64Mi", "memory: 1Gi")),
        deployment_error(swap("containerPort: 8080", "containerPort: \"8080\"")),
        deployment_error(swap(
            "labels: { app: api }",
            "labels: { app: api, version: 1.0 }",
        )),
        deployment_error(swap("          image: lab:0.1.0\n", "")),
        deployment_error(swap("cpu: 50m", "cpu: 50mm")),
        deployment_error(swap("cpu: 50m", "cpu: -50m")),
        deployment_error(swap("cpu: 50m", "cpu: 500m")),
        deployment_error(swap("          resources:", "          resource:")),
        deployment_error(swap("- name: api\n", "- name: web\n")),
        deployment_error(swap(
            "      labels: { app: api }",
            "      labels: { app: web }",
        )),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_missing_file_is_named() {
    let error = ManifestFile::read("no/such/api-hpa.yaml".into())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no/such/api-hpa.yaml: cannot be read"),
        "{error}"
    );
}

#[test]
fn amounts_of_cpu() {
    let cpu = |text: &str| {
        text.parse::<Quantity>()
            .map(|quantity| quantity.millicores().0)
    };
    let cases = [
        ("0", 0),
        ("200m", 200),
        ("0.2", 200),
        (".2", 200),
        ("1", 1000),
        ("1.", 1000),
        ("+2", 2000),
        ("1e-1", 100),
        ("1E-1", 100),
        ("2e+1", 20_000),
        ("0.05", 50),
        ("1.5", 1500),
        ("100u", 1),
        ("1n", 1),
        ("0.1m", 1),
        ("0.0005", 1),
        ("1500u", 2),
        ("200.0000000000000000000001m", 201),
        ("1k", 1_000_000),
        ("1Ki", 1_024_000),
        ("1E", i64::MAX as u64),
        ("1e1000000000", i64::MAX as u64),
        ("0e1000000000", 0),
        ("1e-1000000000", 1),
        ("-0", 0),
    ];
    for (text, expected) in cases {
        assert_eq!(cpu(text), Ok(expected), "{text}");
    }
    for text in [
        "", ".", "m", "1mm", "1 m", "1.2.3", "0x1", "1e", "1e1.5", "1ki", "NaN", "--1", "1,5", "½",
    ] {
        assert_eq!(cpu(text), Err(QuantityError::Malformed(text.into())));
    }
    assert_eq!(cpu("-200m"), Err(QuantityError::Negative("-200m".into())));
    for (text, expected) in [("0.1", 0.1), ("100m", 0.1), ("0.05", 0.05), ("2Ki", 2048.0)] {
        let plain = text.parse::<Quantity>().unwrap().to_f64();
        assert!((plain - expected).abs() < f64::EPSILON, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reading(text in ".{0,40}") {
        let _ = text.parse::<Quantity>().map(|quantity| (quantity.millicores(), quantity.to_f64()));
        let _ = parse_hpa(Path::new("x"), &text);
        let _ = parse_deployment(Path::new("x"), &text);
    }
}
