//! [`Job`]: one personality as planned, and how a plan is shown: every file and value with the rule that decides, what
//! is left out, what had no effect, and what waits for injection.

use std::collections::BTreeSet;

use serde::Serialize;

use super::console::{Console, bytes};
use crate::{
    gather::{
        self, LeftOut, LeftOutKey, OldFacts, OldWindows, Plan, PlannedFile, PlannedValue, RegistryPlan,
    },
    nt::{WinPath, counted},
    record::{Note, Outcome},
    rules::{CarriedRule, CompiledRules, Deferred, Facts, LogLevel, Omission, RuleSet},
    windows::Profile,
};

/// One personality to be taken.
pub(super) struct Job<'a> {
    pub(super) profile: Option<&'a Profile>,
    pub(super) facts: OldFacts<'a>,
    pub(super) rules: CompiledRules,
    pub(super) plan: Plan,
    /// What is not on the volume: known folders, and places that the rules ask for.
    pub(super) elsewhere: Vec<Note>,
}

impl Job<'_> {
    /// The user's name.
    pub(super) fn name(&self) -> String {
        user_name(self.profile)
    }

    /// A path on the volume as the old Windows called it.
    pub(super) fn old_path(&self, path: &WinPath) -> String {
        self.facts.old().installation.drives.old_path(path)
    }
}

/// The name of a user; the machine's part has none.
pub(super) fn user_name(profile: Option<&Profile>) -> String {
    profile.map_or_else(|| "(system)".to_owned(), Profile::qualified_name)
}

/// Plans each user, and the machine-wide part where the rules speak of it.
pub(super) fn plan_jobs<'a>(old: OldWindows<'a>, users: &[&'a Profile], rules: &RuleSet) -> Vec<Job<'a>> {
    let machine = OldFacts::new(old, None);
    let of_users: Vec<OldFacts<'a>> = users.iter().map(|profile| OldFacts::new(old, Some(profile))).collect();
    let asked: Vec<&dyn Facts> = of_users.iter().map(|facts| facts as &dyn Facts).collect();
    let (system_rules, user_rules) = rules.compile(&machine, &asked);
    let mut jobs = Vec::new();
    for ((&profile, facts), rules) in users.iter().zip(of_users).zip(user_rules) {
        let plan = gather::plan(&old, &rules, profile.folder.as_ref());
        let elsewhere = elsewhere(&old, Some(profile), &rules);
        jobs.push(Job { profile: Some(profile), facts, rules, plan, elsewhere });
    }
    let plan = gather::plan(&old, &system_rules, None);
    let speaks_of_the_machine = !plan.files.is_empty()
        || !plan.folders.is_empty()
        || !system_rules.registry_patterns().is_empty()
        || !system_rules.ini_files().is_empty()
        || !system_rules.deferred().is_empty()
        || !system_rules.out_of_reach().is_empty();
    if speaks_of_the_machine {
        let elsewhere = elsewhere(&old, None, &system_rules);
        jobs.push(Job { profile: None, facts: machine, rules: system_rules, plan, elsewhere });
    }
    jobs
}

/// A note on each known folder of a user that is not on the volume that is read, and on each other such place that the rules
/// ask for.
fn elsewhere(old: &OldWindows<'_>, profile: Option<&Profile>, rules: &CompiledRules) -> Vec<Note> {
    let note =
        |item: String, reason: &String| Note { outcome: Outcome::Elsewhere, item, reason: reason.clone() };
    let user = user_name(profile);
    let folders = profile.map(|one| one.folders_elsewhere(&old.installation.drives)).unwrap_or_default();
    let mut notes: Vec<Note> =
        folders.iter().map(|one| note(format!("{} of {user}", one.folder.id()), &one.reason)).collect();
    let places = rules.out_of_reach().iter();
    let untold = places.filter(|(path, _)| !folders.iter().any(|one| one.holds(path)));
    notes.extend(untold.map(|(path, reason)| note(path.clone(), reason)));
    notes
}

/// Tells the progress file what was found for whom, and how much of it there is.
pub(super) fn tell(console: &Console, jobs: &[Job<'_>]) {
    console.tell(|log| {
        for job in jobs {
            let user = job.profile.map(|_| job.name());
            for component in job.rules.detected() {
                log.detected_component(user.as_deref(), component);
            }
        }
        log.total_size(jobs.iter().map(|job| job.plan.bytes).sum());
    });
}

/// A rule that acts when the personality is put back, and travels with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Carried {
    /// The element.
    pub(super) element: &'static str,
    /// The attributes it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<String>,
    /// The function that acts, as the new Windows will meet it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<String>,
    pub(super) pattern: String,
    pub(super) component: String,
    pub(super) place: String,
}

impl Carried {
    pub(super) fn new(rule: &CarriedRule) -> Self {
        let call = rule.call.as_ref().map(|call| {
            let words = call.arguments.iter();
            let words: Vec<String> = words
                .map(|word| word.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("\"{text}\"")))
                .collect();
            format!("{}({})", call.name, words.join(", "))
        });
        let attributes = [(rule.security, "Security"), (rule.time_fields, "TimeFields")];
        let attributes: Vec<&str> =
            attributes.into_iter().filter(|(is_named, _)| *is_named).map(|(_, name)| name).collect();
        Self {
            element: rule.kind.element(),
            attributes: (!attributes.is_empty()).then(|| attributes.join(",")),
            call,
            pattern: rule.pattern.clone(),
            component: rule.component.to_string(),
            place: rule.place.to_string(),
        }
    }

    /// All of one personality, in the order of the rule files.
    pub(super) fn all(rules: &CompiledRules) -> Vec<Self> {
        rules.carried().iter().map(Self::new).collect()
    }
}

/// What a run says of one personality beyond its items.
#[derive(Serialize)]
pub(super) struct Beyond<'a> {
    /// Constructs of the rule files that had no effect on this Windows, and why.
    omissions: &'a [Omission],
    /// Rules that act when it is put back.
    carried: Vec<Carried>,
    /// What the new Windows is to do.
    deferred: &'a [Deferred],
}

impl<'a> Beyond<'a> {
    pub(super) fn new(job: &'a Job<'_>) -> Self {
        let rules = &job.rules;
        Self { omissions: rules.omissions(), carried: Carried::all(rules), deferred: rules.deferred() }
    }
}

/// What `--dry-run --json` prints for each user: everything, with the rule that decides.
#[derive(Serialize)]
pub(super) struct PlanReport<'a> {
    user: String,
    bytes: u64,
    files: Vec<PlannedReport<'a>>,
    left_out: &'a [LeftOut],
    /// What is not on the volume: known folders, and places that the rules ask for.
    elsewhere: &'a [Note],
    registry: Vec<PlannedValue>,
    registry_left_out: Vec<LeftOutKey>,
    #[serde(flatten)]
    beyond: Beyond<'a>,
}

#[derive(Serialize)]
struct PlannedReport<'a> {
    paths: &'a [WinPath],
    size: u64,
    rule: Option<&'a str>,
}

impl<'a> PlanReport<'a> {
    pub(super) fn new(job: &'a Job<'_>) -> Self {
        let planned = job.plan.folders.iter().chain(&job.plan.files);
        let RegistryPlan { values, left_out } = gather::plan_registry(&job.facts, &job.rules);
        Self {
            user: job.name(),
            bytes: job.plan.bytes,
            files: planned
                .map(|file| PlannedReport { paths: &file.paths, size: file.size, rule: file.rule.as_deref() })
                .collect(),
            left_out: &job.plan.left_out,
            elsewhere: &job.elsewhere,
            registry: values,
            registry_left_out: left_out,
            beyond: Beyond::new(job),
        }
    }
}

/// One line for each personality, and what the rules say beyond the choice of items.
pub(super) fn summary(jobs: &[Job<'_>]) -> Vec<String> {
    let mut lines: Vec<String> = jobs.iter().map(one_line).collect();
    let omissions: BTreeSet<&Omission> = jobs.iter().flat_map(|job| job.rules.omissions()).collect();
    let carried: BTreeSet<Carried> = jobs.iter().flat_map(|job| Carried::all(&job.rules)).collect();
    let deferred: BTreeSet<(&str, String)> = (jobs.iter().flat_map(|job| job.rules.deferred()))
        .map(|deferred| (&*deferred.what, deferred.place.to_string()))
        .collect();
    if !omissions.is_empty() {
        let count = omissions.len();
        lines.push(format!(
            "without effect on this Windows: {} of the rules (--json says which, and why)",
            counted(count, "part")
        ));
    }
    if !carried.is_empty() || !deferred.is_empty() {
        let count = carried.len() + deferred.len();
        lines.push(format!("carried for the injection: {} (--json says which)", counted(count, "rule")));
    }
    lines
}

fn one_line(job: &Job<'_>) -> String {
    let Plan { files, folders, left_out, bytes: size, .. } = &job.plan;
    let left_files: u64 = left_out.iter().map(|entry| entry.files).sum();
    let left_bytes: u64 = left_out.iter().map(|entry| entry.bytes).sum();
    format!(
        "{}: {} and {}, {}; left out by rule {}, {}",
        job.name(),
        counted(files.len(), "file"),
        counted(folders.len(), "folder"),
        bytes(*size),
        counted(left_files, "file"),
        bytes(left_bytes)
    )
}

/// Writes what a template's log level asks for: each item with the rule that decides, and at `debug` also what had no
/// effect and what is carried.
pub(super) fn log(console: &Console, level: LogLevel, jobs: &[Job<'_>]) {
    if level < LogLevel::Verbose || !console.has_log() {
        return;
    }
    for job in jobs {
        let user = job.name();
        let say = |what: &str, object: &str, rule: Option<&str>| {
            console.detail(format!("{user}: {what} {object} by {}", rule.unwrap_or("no rule")));
        };
        for PlannedFile { paths, rule, .. } in job.plan.folders.iter().chain(&job.plan.files) {
            paths.iter().for_each(|path| say("take", &job.old_path(path), rule.as_deref()));
        }
        for LeftOut { path, rule, .. } in &job.plan.left_out {
            say("leave", &job.old_path(path), rule.as_deref());
        }
        let RegistryPlan { values, left_out } = gather::plan_registry(&job.facts, &job.rules);
        for PlannedValue { key, value, rule } in &values {
            say("take", &format!("{key} [{value}]"), rule.as_deref());
        }
        for LeftOutKey { key, values, rule } in &left_out {
            say("leave", &format!("{key} ({})", counted(*values, "value")), rule.as_deref());
        }
        if level < LogLevel::Debug {
            continue;
        }
        for Omission { place, reason } in job.rules.omissions() {
            console.detail(format!("{user}: no effect: {place}: {reason}"));
        }
        for Carried { element, call, pattern, place, .. } in Carried::all(&job.rules) {
            let call = call.unwrap_or_default();
            console.detail(format!("{user}: carried: {place}: {element} {call} {pattern}"));
        }
    }
}
