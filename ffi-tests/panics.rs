//! Panics behind every function of the header, and in every thread. They need a library that panics where it is told to, which
//! `cargo build --lib --no-default-features --features capi,store,fault-injection --target-dir target/faults` makes; BOWLINE_FAULTS names the
//! folder where it lies (target/faults/debug). `.ci/run` does that; without it these tests are skipped aloud.

use super::text::{Function, Header};
use super::tools::{self, Link, build, has, run, say, scratch};
use std::path::Path;

/// Whether there is such a library; else it is said what is skipped.
pub fn is_there() -> bool {
    if !tools::faults().is_some_and(|folder| folder.join("libbowline.a").exists()) {
        say("BOWLINE_FAULTS names no folder with a library that panics on order: what contains panics is not tested");
        return false;
    }
    if !has(&tools::cc()) {
        say("no C compiler: what contains panics is not tested");
        return false;
    }
    true
}

/// Each function of the header panics once, answers as it may, and works again.
#[test]
fn a_panic_behind_every_function_becomes_its_answer() {
    if !is_there() {
        return;
    }
    let functions = Header::read().functions;
    let calls: String = functions.iter().map(call_with_a_fault).collect();
    let program = scratch("faulty").join("faulty.c");
    std::fs::write(&program, BEFORE.to_owned() + &calls + AFTER).expect("writable");
    let said = run(&build(&program, Link::Faults));
    assert_eq!(said.lines().filter(|line| line.starts_with("bowline_")).count(), functions.len());
    say(&format!("panics: {} functions of the header panicked and lived", functions.len()));
}

#[test]
fn a_panic_in_a_thread_fails_its_node_alone() {
    if is_there() {
        tools::tap("panics", Link::Faults);
    }
}

/// The ordinary library has no way to be made panic.
#[test]
fn nobody_orders_panics_of_the_library_that_is_shipped() {
    if !has("nm") {
        return say("nm is missing: symbols are not looked at");
    }
    let library = tools::shared_library();
    let symbols = tools::output("nm", &["-D", "--defined-only", library.to_str().expect("a plain path")]);
    assert!(!symbols.contains("faults_"), "{symbols}");
    assert!(Path::new(&library).exists());
}

const BEFORE: &str = r#"#include "bowline.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void faults_next_call(void);
int faults_withdraw(void);

static void must(int fact, const char *name, const char *what)
{
    if (!fact) {
        printf("%s: %s\n", name, what);
        exit(1);
    }
}

static void panicked(const char *name, int32_t result, bowline_error *err, int has_err)
{
    must(result == BOWLINE_E_PANIC, name, "another result");
    must(!faults_withdraw(), name, "no guard was passed");
    must(!has_err || strstr(bowline_error_text(err), "the library panicked: ") != NULL, name, "no text");
    bowline_error_free(err);
}

int main(void)
{
    bowline_error *err = NULL;
    int32_t result = BOWLINE_OK;
"#;

const AFTER: &str = "    (void)err;\n    return 0;\n}\n";

/// C statements that call a function with zeros, while a fault is ordered and then again.
fn call_with_a_fault(function: &Function) -> String {
    let name = &function.name;
    let has_err = function.parameters.iter().any(|parameter| parameter.name == "err");
    let (faulty, plain) = (function.call_with(Some("&err")), function.call_with(None));
    let begin = format!("    puts(\"{name}\");\n    fflush(stdout);\n    err = NULL;\n    faults_next_call();\n");
    let rest = match function.answer.as_str() {
        "bowline_result" => {
            let has_err = i32::from(has_err);
            format!(
                "    result = {faulty};\n    panicked(\"{name}\", result, err, {has_err});\n    must({plain} != BOWLINE_E_PANIC, \"{name}\", \"again\");\n"
            )
        }
        "void" => format!("    {faulty};\n    must(!faults_withdraw(), \"{name}\", \"no guard was passed\");\n    {plain};\n"),
        _ => format!(
            "    (void){faulty};\n    must(!faults_withdraw(), \"{name}\", \"no guard was passed\");\n    (void){plain};\n"
        ),
    };
    begin + &rest
}
