//! Task definitions: sizes, ports, containers.

use serde_json::{Map, Value, json};

use super::{ask_ecs, check_name, default, list, now, number, refused, text};
use crate::front::{Front, lock};
use crate::request::Call;
use crate::shape::Failure;

/// What Fargate offers: units of CPU, and from how much memory to how much in which steps.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>
const FARGATE: &[(u64, u64, u64, u64)] = &[
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// Shows when a task definition was made.
pub fn show(front: &Front, call: &Call, definition: &mut Map<String, Value>) {
    let arn = definition.get("taskDefinitionArn").and_then(Value::as_str).unwrap_or_default();
    let mut times = lock(&front.times);
    if call.operation == "RegisterTaskDefinition" {
        times.registered.insert(arn.to_owned(), now());
    }
    if let Some(registered) = times.registered.get(arn) {
        definition.insert("registeredAt".to_owned(), json!(registered));
    }
}

/// Checks a task definition, and fills in what AWS would.
pub fn register(call: &mut Call) -> Result<(), Failure> {
    let mut json = call.json.clone();
    check_name(text(&json, "family"), refused)?;
    let on_fargate = list(&json, "requiresCompatibilities").any(|one| one == "FARGATE");
    let mode = text(&json, "networkMode").to_owned();
    if on_fargate && mode != "awsvpc" {
        return Err(refused("Fargate only supports network mode ‘awsvpc’.".to_owned()));
    }
    let task = check_size(&mut json, on_fargate)?;
    let has_role = !text(&json, "executionRoleArn").is_empty();
    let containers = json.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    let containers = containers.filter(|containers| !containers.is_empty());
    let containers =
        containers.ok_or_else(|| refused("Container list cannot be empty.".to_owned()))?;
    if containers.iter().all(|container| container["essential"] == false) {
        return Err(refused(
            "At least one essential container should be specified in the task definition."
                .to_owned(),
        ));
    }
    let names: Vec<String> = containers.iter().map(|one| text(one, "name").to_owned()).collect();
    for (at, container) in containers.iter_mut().enumerate() {
        let name = &names[at];
        check_name(name, refused)?;
        if names[..at].contains(name) {
            return Err(refused(format!("The container name '{name}' is used more than once.")));
        }
        for (resource, limit) in [("cpu", task.0), ("memory", task.1)] {
            let own = number(container, resource);
            if limit.is_some_and(|limit| own > limit) {
                return Err(refused(format!(
                    "Invalid setting for container '{name}'. Its '{resource}' of {own} is more than \
                     that of the task."
                )));
            }
        }
        if on_fargate && !has_role {
            check_role(container)?;
        }
        complete_ports(container, &mode)?;
    }
    call.set_json(json);
    Ok(())
}

/// On Fargate, what fetches an image or writes a log needs a role.
fn check_role(container: &Value) -> Result<(), Failure> {
    let driver = container.pointer("/logConfiguration/logDriver");
    let needs = if driver.is_some_and(|driver| driver == "awslogs") {
        "log driver awslogs"
    } else if text(container, "image").contains(".dkr.ecr.") {
        "ECR images"
    } else {
        return Ok(());
    };
    Err(refused(format!(
        "Fargate requires task definition to have execution role ARN to support {needs}."
    )))
}

/// Checks and completes the ports of a container.
fn complete_ports(container: &mut Value, mode: &str) -> Result<(), Failure> {
    let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let inside = port["containerPort"].clone();
        let is_same = matches!(mode, "awsvpc" | "host");
        if is_same && port.get("hostPort").is_some_and(|outside| *outside != inside) {
            return Err(refused(format!(
                "When networkMode={mode}, the host ports and container ports in port mappings must \
                 match."
            )));
        }
        default(port, "hostPort", &if is_same { inside } else { json!(0) });
        default(port, "protocol", &json!("tcp"));
    }
    Ok(())
}

/// Checks the size of a task and writes it in units.
fn check_size(json: &mut Value, on_fargate: bool) -> Result<(Option<u64>, Option<u64>), Failure> {
    let mut size = [None, None];
    for (place, (member, unit)) in size.iter_mut().zip([("cpu", "vcpu"), ("memory", "gb")]) {
        let given = text(json, member).to_owned();
        if !given.is_empty() {
            let found = units(&given, unit);
            *place = Some(
                found.ok_or_else(|| refused(format!("Invalid '{member}' setting for task.")))?,
            );
            json[member] = json!(found.map(|units| units.to_string()));
        }
    }
    let [cpu, memory] = size;
    if on_fargate {
        let offered = |(of, least, most, step): &(u64, u64, u64, u64)| {
            cpu == Some(*of)
                && memory.is_some_and(|size| {
                    (*least..=*most).contains(&size) && (size - least) % step == 0
                })
        };
        if !FARGATE.iter().any(offered) {
            let word = |size: Option<u64>| size.map_or("no".to_owned(), |size| size.to_string());
            return Err(refused(format!(
                "No Fargate configuration exists for given values: {} CPU, {} memory. See the Amazon \
                 ECS documentation for the valid values.",
                word(cpu),
                word(memory)
            )));
        }
    }
    Ok((cpu, memory))
}

/// `512`, or `0.5 GB` where the unit is `gb`.
fn units(given: &str, unit: &str) -> Option<u64> {
    let given = given.trim().to_ascii_lowercase();
    match given.strip_suffix(unit) {
        Some(many) => {
            let many: f64 = many.trim().parse().ok()?;
            // No task has as much as a petabyte.
            (0.0..1e6).contains(&many).then_some((many * 1024.0) as u64)
        }
        None => given.parse().ok(),
    }
}

/// The task definition that a request names, which must be active. A family alone stands for the
/// latest.
pub async fn find(front: &Front, call: &Call, named: &str) -> Result<Value, Failure> {
    let name = named.rsplit('/').next().unwrap_or_default();
    let missing = || refused("TaskDefinition not found.".to_owned());
    let latest;
    let name = if name.contains(':') {
        name
    } else {
        let asked = json!({"familyPrefix": name, "status": "ACTIVE"});
        let found = ask_ecs(front, call, "ListTaskDefinitions", &asked).await?;
        let revision = |arn: &str| arn.rsplit(':').next().and_then(|end| end.parse::<u64>().ok());
        let arns = list(&found, "taskDefinitionArns").filter_map(Value::as_str);
        latest = arns.max_by_key(|arn| revision(arn)).ok_or_else(missing)?.to_owned();
        &latest
    };
    let asked = json!({"taskDefinition": name});
    let found = ask_ecs(front, call, "DescribeTaskDefinition", &asked).await?;
    match found.get("taskDefinition") {
        None => Err(missing()),
        Some(found) if found["status"] != "ACTIVE" => {
            Err(refused("TaskDefinition is inactive".to_owned()))
        }
        Some(found) => Ok(found.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_fargate() {
        let check = |cpu: &str, memory: &str| {
            check_size(&mut json!({"cpu": cpu, "memory": memory}), true).is_ok()
        };
        for (cpu, memory) in [
            ("256", "512"),
            ("256", "2048"),
            (".25 vCPU", "0.5 GB"),
            ("1 vcpu", "2GB"),
            ("4096", "30720"),
            ("16384", "122880"),
        ] {
            assert!(check(cpu, memory), "{cpu} {memory}");
        }
        for (cpu, memory) in [
            ("256", "1536"),
            ("300", "512"),
            ("512", "512"),
            ("8192", "17408"),
            ("", "512"),
            ("a", "b"),
        ] {
            assert!(!check(cpu, memory), "{cpu} {memory}");
        }
        let mut task = json!({"cpu": "0.5 vCPU", "memory": "1GB"});
        assert!(check_size(&mut task, true).is_ok());
        assert_eq!(task, json!({"cpu": "512", "memory": "1024"}));
    }

    #[test]
    fn ports_are_completed() {
        let complete = |mode: &str, port: Value| {
            let mut container = json!({"portMappings": [port]});
            complete_ports(&mut container, mode).map(|()| container["portMappings"][0].clone())
        };
        let whole = json!({"containerPort": 80, "hostPort": 80, "protocol": "tcp"});
        assert_eq!(complete("awsvpc", json!({"containerPort": 80})), Ok(whole));
        let whole = json!({"containerPort": 80, "hostPort": 0, "protocol": "udp"});
        let port = json!({"containerPort": 80, "protocol": "udp"});
        assert_eq!(complete("bridge", port), Ok(whole));
        assert!(complete("awsvpc", json!({"containerPort": 80, "hostPort": 81})).is_err());
    }
}
