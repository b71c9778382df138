//! What a run comes to, in words for people: numbers with their units, and why requests failed.

pub mod failures;
pub mod number;

use lab_record::Class;

/// What a class is called where people read.
pub fn class_name(class: &Class) -> String {
    lab_record::called(&class.name, class.bystander)
}
