//! What a run comes to, in words for people: numbers with their units, and why requests failed.

pub mod failures;
pub mod number;

use lab_record::Class;

/// What a class is called where people read: a bystander is one by name, since texts speak of bystanders.
pub fn class_name(class: &Class) -> String {
    let is_said = class.name.to_lowercase().contains("bystander");
    if class.bystander && !is_said {
        format!("{} (bystander)", class.name)
    } else {
        class.name.clone()
    }
}
