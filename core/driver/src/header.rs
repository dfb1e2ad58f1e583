//! Writes the C header of the interface.

use crate::{
    declare::{Field, Item},
    table::{ITEMS, NAMES, SYMBOL},
};

/// Longest line of a comment.
const WIDTH: usize = 110;

const BEGIN: &str = "\
/*
 * The interface between Blackbeam and a device library.
 *
 * A device library is a shared library that exports one function, blackbeam_device_table, which returns a constant table.
 * It may be written in any language that speaks C. Times are seconds, phases radians; all texts are UTF-8; arrays lie row
 * by row without gaps.
 *
 * This file is generated from Blackbeam's sources. It is C99 and C++17 and needs nothing but this:
 */
#ifndef BLACKBEAM_DEVICE_H
#define BLACKBEAM_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* Before the definition of blackbeam_device_table: makes it visible, in C++ with the name that it has in C. */
#if defined(_WIN32)
#define BB_VISIBLE __declspec(dllexport)
#else
#define BB_VISIBLE __attribute__((visibility(\"default\")))
#endif
#if defined(__cplusplus)
#define BB_EXPORT extern \"C\" BB_VISIBLE
#else
#define BB_EXPORT BB_VISIBLE
#endif

/* True if `field` lies within the struct that `pointer` points to, as its owner knows it. */
#define BB_HAS(type, pointer, field) \\
    ((pointer)->struct_size >= offsetof(type, field) + sizeof(((type *)0)->field))

#if defined(__cplusplus)
extern \"C\" {
#endif
";

/// The text of `include/blackbeam_device.h`.
pub fn header() -> String {
    let mut out = BEGIN.to_owned();
    for item in ITEMS.into_iter().flatten() {
        out.push('\n');
        match item {
            Item::Section(title) => out.push_str(&format!("/* ---- {title} ---- */\n")),
            Item::Alias { name, ty, docs } => {
                comment(&mut out, docs, "");
                out.push_str(&format!("typedef {};\n", declared(ty, name)));
            }
            Item::Opaque { name, docs } => {
                comment(&mut out, docs, "");
                out.push_str(&format!("typedef struct {name} {name};\n"));
            }
            Item::Constants { ty, docs, members } => {
                comment(&mut out, docs, "");
                out.push('\n');
                for (name, value, docs) in *members {
                    comment(&mut out, docs, "");
                    out.push_str(&format!("#define BB_{name} {}\n", constant(ty, *value)));
                }
            }
            Item::Struct { name, docs, fields, .. } => {
                comment(&mut out, docs, "");
                out.push_str(&format!("typedef struct {name} {{\n"));
                for Field { name, ty, docs, .. } in *fields {
                    comment(&mut out, docs, "    ");
                    out.push_str(&format!("    {};\n", declared(ty, name)));
                }
                out.push_str(&format!("}} {name};\n"));
            }
        }
    }
    let table = c_type("DeviceTable");
    out.push_str(&format!(
        "\n/** The one symbol of a library. Called once, any thread; the table is constant. */\n\
         BB_VISIBLE const {table} *{SYMBOL}(void);\n\n#if defined(__cplusplus)\n}}\n#endif\n\n#endif\n"
    ));
    out
}

fn constant(ty: &str, value: u64) -> String {
    match ty {
        "u64" => format!("UINT64_C({value})"),
        "u32" => format!("{value}u"),
        _ => value.to_string(),
    }
}

/// A declaration of `name` with a type that is written in Rust.
fn declared(ty: &str, name: &str) -> String {
    let ty = ty.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(function) = ty.strip_prefix("Option<").and_then(|t| t.strip_suffix('>')) {
        return function_pointer(function, name);
    }
    if let Some((element, length)) = ty.strip_prefix('[').and_then(|t| t.strip_suffix(']')?.split_once("; ")) {
        let length = length.strip_suffix(" as usize").unwrap_or(length);
        return format!("{} {name}[BB_{length}]", c_type(element));
    }
    if let Some(target) = ty.strip_prefix("*const ") {
        return pointer(&format!("const {}", c_type(target)), name);
    }
    match ty.strip_prefix("*mut ") {
        Some(inner) if inner.starts_with("*mut ") => pointer(&format!("{} *", c_type(&inner[5..])), name),
        Some(target) => pointer(&c_type(target), name),
        None => format!("{} {name}", c_type(&ty)),
    }
}

fn pointer(target: &str, name: &str) -> String {
    let space = if target.ends_with('*') { "" } else { " " };
    format!("{target}{space}*{name}")
}

/// A field that points to a function of type `unsafe extern "C-unwind" fn(name: type, ...) -> type`.
fn function_pointer(function: &str, name: &str) -> String {
    let (arguments, result) = function
        .split_once("fn(")
        .expect("a field that is an Option is a function")
        .1
        .rsplit_once(')')
        .expect("the arguments of a function end");
    let arguments = arguments.trim_end_matches([',', ' ']).split(", ").map(|argument| {
        let (name, ty) = argument.split_once(": ").expect("an argument has a name and a type");
        declared(ty, name)
    });
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    let result =
        result.trim().strip_prefix("-> ").map_or("void".to_owned(), |ty| declared(ty, "").trim_end().to_owned());
    let space = if result.ends_with('*') { "" } else { " " };
    format!("{result}{space}(*{name})({arguments})")
}

fn c_type(rust: &str) -> String {
    let plain = match rust {
        "u8" => "uint8_t",
        "i32" => "int32_t",
        "u32" => "uint32_t",
        "u64" => "uint64_t",
        "f64" => "double",
        "c_char" => "char",
        "c_void" => "void",
        _ => "",
    };
    let named = || NAMES.into_iter().flatten().find(|(name, _)| *name == rust).map(|(_, c)| (*c).to_owned());
    if plain.is_empty() {
        named().unwrap_or_else(|| panic!("the type {rust} has no name in C"))
    } else {
        plain.to_owned()
    }
}

/// Documentation as a comment, filled to the width; empty lines part paragraphs.
fn comment(out: &mut String, docs: &[&str], indent: &str) {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in docs.iter().map(|line| line.trim()) {
        if line.is_empty() {
            lines.push(String::new());
            open = false;
        }
        for word in line.split_whitespace() {
            match lines.last_mut().filter(|l| open && indent.len() + l.len() + word.len() + 4 <= WIDTH) {
                Some(last) => {
                    last.push(' ');
                    last.push_str(word);
                }
                None => lines.push(word.to_owned()),
            }
            open = true;
        }
    }
    match lines.as_slice() {
        [] => {}
        [one] => out.push_str(&format!("{indent}/** {one} */\n")),
        many => {
            for (i, line) in many.iter().enumerate() {
                let begin = if i == 0 { "/**" } else { " *" };
                out.push_str(format!("{indent}{begin} {line}").trim_end());
                out.push('\n');
            }
            out.push_str(&format!("{indent} */\n"));
        }
    }
}
