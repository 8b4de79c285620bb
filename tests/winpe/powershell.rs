//! PowerShell cannot be had on the machines these tests run on, so its scripts are read by the grammar of tree-sitter, and each
//! cmdlet of Configuration Manager is held against the parameters that Microsoft's reference gives it. What that does not show:
//! that the console does with them what the reference says.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::{Node, Parser, Tree};

use super::{files, sequences, winpe};

/// Cmdlets and their parameters. Reference: <https://learn.microsoft.com/powershell/module/configurationmanager/>
const CMDLETS: &str = include_str!("cmdlets.txt");

/// What every function and cmdlet of PowerShell itself that the scripts use may be given.
const OWN: [&str; 10] = [
    "Join-Path",
    "New-Object",
    "Set-StrictMode",
    "Split-Path",
    "Test-Path",
    "Write-Output",
    "Write-Verbose",
    "Write-Warning",
    "&",
    ".",
];

struct Script {
    name: String,
    text: String,
    tree: Tree,
}

impl Script {
    fn all() -> Vec<Self> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
        files("", ".ps1")
            .into_iter()
            .map(|path| {
                let text = fs_err::read_to_string(&path).unwrap();
                let tree = parser.parse(&text, None).unwrap();
                Self { name: path.file_name().unwrap().to_str().unwrap().to_owned(), text, tree }
            })
            .collect()
    }

    /// All nodes of a kind, in the order of the text.
    fn nodes<'a>(&'a self, kind: &str) -> Vec<Node<'a>> {
        let (mut found, mut ahead) = (Vec::new(), vec![self.tree.root_node()]);
        while let Some(node) = ahead.pop() {
            if node.kind() == kind {
                found.push(node);
            }
            ahead.extend((0..node.child_count() as u32).rev().filter_map(|child| node.child(child)));
        }
        found
    }

    fn text(&self, node: Node<'_>) -> &str {
        &self.text[node.byte_range()]
    }

    /// A function's name and the names of its parameters.
    fn functions(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut functions = BTreeMap::new();
        for node in self.nodes("function_statement") {
            let head = self.text(node).split('{').next().unwrap();
            let name = head.split(['(', ' ']).nth(1).unwrap().to_owned();
            functions.insert(name, variables(head));
        }
        functions
    }
}

/// The names of the variables in a text, without the sign.
fn variables(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    text.split('$').skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_script_is_well_formed() {
    for script in Script::all() {
        let root = script.tree.root_node();
        let wrong = script.nodes("ERROR");
        assert!(
            !root.has_error(),
            "{}: {:?}",
            script.name,
            wrong.first().map(|node| (node.start_position(), script.text(*node)))
        );
        assert!(
            script.text.is_ascii(),
            "{}: an older PowerShell reads it in the code page of the machine",
            script.name
        );
    }
}

#[test]
fn every_cmdlet_is_given_only_parameters_that_it_has() {
    let known: BTreeMap<&str, BTreeSet<String>> = CMDLETS
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, parameters)| (name, parameters.split(' ').map(str::to_owned).collect()))
        .collect();
    let mut of_the_console = 0;
    for script in Script::all() {
        let functions = script.functions();
        for command in script.nodes("command") {
            let name = script.text(command.child(0).unwrap());
            let taken = known.get(name).or_else(|| functions.get(name));
            let Some(taken) = taken else {
                assert!(
                    OWN.contains(&name) || name.starts_with('$'),
                    "{}: {name} is no cmdlet we know",
                    script.name
                );
                continue;
            };
            of_the_console += usize::from(known.contains_key(name));
            let mut ahead: Vec<Node<'_>> = vec![command];
            while let Some(node) = ahead.pop() {
                if node.kind() == "command_parameter" {
                    let parameter = script.text(node).trim_start_matches('-');
                    assert!(
                        taken.contains(parameter),
                        "{}: {name} has no parameter {parameter}",
                        script.name
                    );
                }
                // A command inside of parentheses has parameters of its own.
                let children = (0..node.child_count() as u32).filter_map(|child| node.child(child));
                ahead.extend(children.filter(|child| child.kind() != "command"));
            }
        }
    }
    assert!(of_the_console >= 15, "only {of_the_console} cmdlets of Configuration Manager were found");
}

/// PowerShell does not tell upper from lower case, and a function sees the variables of its caller: `$package = …` inside of
/// one would take the place of the script's `$Package` in all that it calls.
#[test]
fn no_assignment_hides_a_parameter_of_the_script() {
    for script in Script::all() {
        let parameters: BTreeSet<String> = match script.nodes("script_parameter").is_empty() {
            true => BTreeSet::new(),
            false => script
                .nodes("script_parameter")
                .into_iter()
                .filter(|node| node.parent().is_some_and(|list| !within_function(list)))
                .flat_map(|node| variables(script.text(node)))
                .map(|name| name.to_lowercase())
                .collect(),
        };
        for assignment in
            script.nodes("assignment_expression").into_iter().filter(|node| within_function(*node))
        {
            let left = script.text(assignment).split('=').next().unwrap();
            for name in variables(left) {
                assert!(
                    !parameters.contains(&name.to_lowercase()),
                    "{}: {name} is a parameter of the script",
                    script.name
                );
            }
        }
    }
}

fn within_function(mut node: Node<'_>) -> bool {
    while let Some(parent) = node.parent() {
        if parent.kind() == "function_statement" {
            return true;
        }
        node = parent;
    }
    false
}

#[test]
fn the_creator_makes_the_same_command_lines_and_success_codes_as_the_exported_sequences() {
    let text = fs_err::read_to_string(winpe().join("sequences/New-ColdstateTaskSequence.ps1")).unwrap();
    assert!(text.contains("[int[]] $SuccessCode = @(0, 3)"), "what a step has that says no codes");
    let mut made = BTreeSet::new();
    // -Arguments 'inspect …' or -Arguments ('extract … "' + $Store + '" …'), once with each of the two places.
    for line in text.lines() {
        let Some((_, arguments)) = line.split_once("-Arguments ") else { continue };
        if !arguments.contains('\'') {
            continue;
        }
        let given =
            line.split_once("-SuccessCode @(").map_or("0, 3", |(_, rest)| rest.split(')').next().unwrap());
        assert_eq!(given.replace(',', ""), sequences::success_codes(arguments.trim_matches('\'')), "{line}");
        for (store, computer) in
            [("%_SMSTSUserStatePath%", "%ColdstateSource%"), ("%ColdstateStore%", "%M7SOURCE%")]
        {
            let joined = arguments
                .trim_matches(['(', ')'])
                .replace("' + $Store + '", store)
                .replace("' + $Computer + '", computer);
            made.insert(format!("%ColdstateExe% {}", joined.trim_matches('\'')));
        }
    }
    let exported: BTreeSet<String> = files("sequences/configmgr2007", ".xml")
        .iter()
        .flat_map(|path| sequences::Sequence::read(path).our_commands())
        .collect();
    assert!(!exported.is_empty());
    assert_eq!(made, exported);
}

#[test]
fn the_guide_gives_the_creator_only_parameters_that_it_has() {
    let guide = fs_err::read_to_string(winpe().join("README.md")).unwrap();
    let line =
        guide.lines().find_map(|line| line.trim().strip_prefix(r".\New-ColdstateTaskSequence.ps1 ")).unwrap();
    let given: BTreeSet<&str> = line.split(' ').filter_map(|word| word.strip_prefix('-')).collect();
    let script =
        Script::all().into_iter().find(|script| script.name == "New-ColdstateTaskSequence.ps1").unwrap();
    let parameters = script.nodes("script_parameter").into_iter().filter(|node| !within_function(*node));
    let taken: BTreeSet<String> = parameters.flat_map(|node| variables(script.text(node))).collect();
    assert!(given.len() >= 5 && given.iter().all(|name| taken.contains(*name)), "{given:?} of {taken:?}");
}
