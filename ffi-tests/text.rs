//! The header read as text: just enough of C to know its functions, results and structs. It is ours and cbindgen's, so its form is known.

use super::tools::source;
use std::collections::BTreeSet;

pub struct Parameter {
    pub kind: String,
    pub name: String,
}

pub struct Function {
    pub answer: String,
    pub name: String,
    pub parameters: Vec<Parameter>,
    /// The comment in front of it, without its stars.
    pub doc: String,
}

pub struct Header {
    pub functions: Vec<Function>,
    /// Name, number and comment.
    pub results: Vec<(String, i32, String)>,
    text: String,
}

impl Header {
    pub fn read() -> Header {
        let text = std::fs::read_to_string(source("include/bowline.h")).expect("include/bowline.h is checked in");
        let functions: Vec<Function> = text
            .split("*/\nBOWLINE_API")
            .collect::<Vec<_>>()
            .windows(2)
            .map(|around| Function::parse(around[0], around[1]))
            .collect();
        assert!(functions.len() > 60, "only {} functions were found in the header", functions.len());
        let results = results(&text);
        Header { functions, results, text }
    }

    /// What `documented.h` says in C: each function with the results that its comment names, and those that the conventions allow
    /// everywhere.
    pub fn documented(&self) -> String {
        let rows = self.functions.iter().filter(|function| function.answer == "bowline_result").map(|function| {
            let mut results =
                BTreeSet::from(["BOWLINE_OK".to_owned(), "BOWLINE_E_NULL".to_owned(), "BOWLINE_E_INVALID".to_owned()]);
            self.results_of(function, &mut results);
            format!("    {{\"{}\", \" {} \"}},\n", function.name, results.into_iter().collect::<Vec<_>>().join(" "))
        });
        let rows: String = rows.collect();
        format!("static const struct {{\n    const char *name;\n    const char *results;\n}} documented[] = {{\n{rows}}};\n")
    }

    /// The results in a function's @return, and in that of the function which it points to ("As bowline_send").
    fn results_of(&self, function: &Function, results: &mut BTreeSet<String>) {
        let answer = function.doc.split("@return").nth(1).and_then(|rest| rest.split("@threads").next()).expect("it answers");
        let words = answer.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for (before, word) in std::iter::once("").chain(words.clone()).zip(words) {
            let full = format!("BOWLINE_E_{word}");
            if self.results.iter().any(|(name, ..)| *name == full || name == word) {
                results.insert(if word.starts_with("BOWLINE_") { word.to_owned() } else { full });
            }
            if let Some(other) = self.functions.iter().find(|other| other.name == word && before == "As") {
                self.results_of(other, results);
            }
        }
    }

    /// Every struct and member, as the layout table names them.
    pub fn places(&self) -> BTreeSet<String> {
        let mut places = BTreeSet::new();
        for part in self.text.split("typedef struct ").skip(1) {
            let Some((name, body)) = part.split_once(" {\n") else { continue };
            if name.contains([';', '\n']) {
                continue;
            }
            let body = body.split("\n} ").next().expect("a struct ends");
            places.insert(name.to_owned());
            let members = body.lines().map(str::trim).filter(|line| line.ends_with(';') && !line.starts_with('*'));
            places.extend(members.map(|line| format!("{name}.{}", last_word(line.split(['[', ';']).next().expect("a part")))));
        }
        places
    }
}

fn results(text: &str) -> Vec<(String, i32, String)> {
    let body = text.split("enum bowline_result").nth(1).and_then(|rest| rest.split("};").next()).expect("the results");
    let mut doc = String::new();
    let mut results = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("* ") {
            doc = said.to_owned();
        } else if let Some((name, number)) = line.trim_end_matches(',').split_once(" = ") {
            results.push((name.to_owned(), number.parse().expect("a number"), doc.clone()));
        }
    }
    results
}

fn last_word(text: &str) -> &str {
    text.trim_end().rsplit([' ', '*']).next().unwrap_or_default()
}

impl Function {
    fn parse(before: &str, after: &str) -> Function {
        let doc = before.rsplit("/**").next().expect("a comment");
        let doc = doc.lines().map(|line| line.trim().trim_start_matches('*').trim()).filter(|line| !line.is_empty());
        let words = after.split(';').next().expect("a declaration").replace("BOWLINE_WARN_UNUSED", " ");
        let declaration = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Function { doc: doc.collect::<Vec<_>>().join("\n"), ..Function::declared(&declaration) }
    }

    /// A declaration on one line, without the comment.
    pub fn declared(declaration: &str) -> Function {
        let (head, parameters) = declaration.split_once('(').expect("parameters");
        let name = last_word(head).to_owned();
        let answer = head[..head.len() - name.len()].trim().to_owned();
        let parameters = parameters.trim_end_matches(')').split(',').map(str::trim).filter(|text| *text != "void");
        let parameters = parameters.map(|text| {
            let name = last_word(text).to_owned();
            Parameter { kind: text[..text.len() - name.len()].trim().to_owned(), name }
        });
        Function { answer, name, parameters: parameters.collect(), doc: String::new() }
    }

    /// A C expression that calls it with zeros, but for `err`.
    pub fn call_with(&self, err: Option<&'static str>) -> String {
        let zero = |parameter: &Parameter| {
            let is_pointer = parameter.kind.ends_with('*') || parameter.kind.ends_with("_fn");
            let err = err.filter(|_| parameter.name == "err");
            err.unwrap_or(if is_pointer { "NULL" } else { "0" })
        };
        let zeros: Vec<&str> = self.parameters.iter().map(zero).collect();
        format!("{}({})", self.name, zeros.join(", "))
    }

    /// A C statement that calls it with zeros, and names it first, so that a crash is known by the last line.
    pub fn call_with_zeros(&self) -> String {
        let call = self.call_with(None);
        let call = match self.answer.as_str() {
            "void" => format!("{call};"),
            "bowline_result" => format!("if ({call} == BOWLINE_E_PANIC) {{ return 1; }}"),
            _ => format!("(void){call};"),
        };
        format!("    puts(\"{}\");\n    fflush(stdout);\n    {call}\n", self.name)
    }
}
