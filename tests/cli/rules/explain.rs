//! `rules explain`: which rule decides, what other rules say, and what happens at injection.

use super::*;

#[test]
fn explain_names_the_deciding_rule_and_all_that_spoke() {
    let folder = tempfile::tempdir().unwrap();
    let take = objects("include", &[r"%USERPROFILE%\* [*]", r"HKCU\Software\* [*]"]);
    let leave = objects("exclude", &[r"%USERPROFILE%\Documents\* [*.xls]"]);
    let merge =
        objects("merge script='MigXmlHelper.DestinationPriority()'", &[r"%USERPROFILE%\Documents\* [*]"]);
    let rules = file(folder.path(), "my.xml", &rules(&[("A", &format!("{take}{leave}{merge}"))]));
    let explain = |object: &str| {
        run!("rules", "explain", "--source", sample(), "--rules", rules, object, "--json").ends(0).json()
    };
    for object in [r"C:\Users\anna\Documents\Budget.xls", r"\users\anna\documents\budget.xls"] {
        let report = explain(object);
        let decisions = report["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), 1, "it lies in the profile of one user: {report:#}");
        let decision = &decisions[0];
        assert!(decision["user"].as_str().unwrap().ends_with(r"\anna"));
        assert_eq!(decision["action"], "leave");
        assert_eq!(decision["decided_by"]["element"], "exclude");
        assert_eq!(decision["decided_by"]["component"], "A");
        assert!(decision["decided_by"]["place"].as_str().unwrap().contains("my.xml:2:"));
        assert_eq!(decision["others"][0]["element"], "include");
        assert_eq!(decision["at_injection"][0]["call"], "DestinationPriority()");
        assert_eq!(report["exists"], true);
    }
    let report = explain(r"HKEY_CURRENT_USER\Software\Policies\X [a]");
    assert_eq!(report["exists"], false);
    assert!(report["decisions"].as_array().unwrap().len() >= 2, "of every user: {report:#}");
    assert_eq!(report["decisions"][0]["action"], "take");
    let report = explain(r"C:\Windows\notepad.exe");
    assert!(report["decisions"].as_array().unwrap().iter().all(|decision| decision["decided_by"].is_null()));

    let ran =
        run!("rules", "explain", "--source", sample(), "--rules", rules, r"\Users\anna\Documents").ends(0);
    assert!(ran.text().contains(r"anna: taken by"), "{}", ran.told());
    let accounting = package_root().join("winpe/templates/accounting.xml");
    let ran = run!(
        "rules",
        "explain",
        "--source",
        sample(),
        "--config",
        accounting,
        "--user",
        "jsmith",
        r"HKCU\Software\Policies\X [a]"
    )
    .ends(0);
    assert!(
        ran.text().contains(r"CONTOSO\jsmith: left by") && ran.text().contains("unconditionalExclude"),
        "{}",
        ran.told()
    );
    assert!(ran.text().contains("the old one overwrites it"), "{}", ran.told());
    refused!(11, ["no path on the volume"]; "rules", "explain", "--source", sample(), r"Z:\x");
    refused!(11, ["No user of OLDPC-07 matches `bob`"]; "rules", "explain", "--source", sample(), "--user", "bob", r"\Users");
}

#[test]
fn explain_names_what_happens_at_injection() {
    let folder = tempfile::tempdir().unwrap();
    let files = r"%USERPROFILE%\Documents\* [*.xls]";
    let ini = r"%CSIDL_APPDATA%\Mozilla\Firefox\profiles.ini|Profile0[*]";
    let entries = |element: &str| {
        let name = element.split(' ').next().unwrap();
        format!("<{element}><objectSet><pattern type='Ini'>{ini}</pattern></objectSet></{name}>")
    };
    let text = [
        objects("merge script='MigXmlHelper.SourcePriority()'", &[r"C:\* [*]"]),
        objects("merge script='MigXmlHelper.DestinationPriority()'", &[files]),
        objects(r"locationModify script='MigXmlHelper.Move(&quot;D:\&quot;)'", &[files]),
        objects("contentModify script='MigXmlHelper.KeepExisting(&quot;Security&quot;)'", &[files]),
        objects("excludeAttributes attributes='Security,TimeFields'", &[files]),
        objects("destinationCleanup", &[r"%USERPROFILE%\* [*]", r"HKCU\Software\Gone"]),
        entries("include"),
        entries("merge script='MigXmlHelper.LowerValue()'"),
    ];
    let rules = file(folder.path(), "my.xml", &rules(&[("A", &text.concat())]));
    let explain = |object: &str| {
        run!("rules", "explain", "--source", sample(), "--rules", rules, "--user", "anna", object, "--json")
            .ends(0)
            .json()
    };
    let elements = |report: &Value, part: &str| -> Vec<String> {
        let all = report["decisions"][0][part].as_array().unwrap().iter();
        all.map(|rule| rule["element"].as_str().unwrap().to_owned()).collect()
    };
    let report = explain(r"C:\Users\anna\Documents\Budget.xls");
    let acting = ["merge", "locationModify", "contentModify", "excludeAttributes", "destinationCleanup"];
    assert_eq!(elements(&report, "at_injection"), acting);
    assert_eq!(report["decisions"][0]["at_injection"][3]["attributes"], "Security,TimeFields");
    assert_eq!(elements(&report, "outranked"), ["merge"]);
    assert_eq!(elements(&explain(r"HKCU\Software\Gone [x]"), "at_injection"), ["destinationCleanup"]);
    let report = explain(r"C:\Users\anna\AppData\Roaming\Mozilla\Firefox\profiles.ini|Profile0[Path]");
    assert_eq!((&report["exists"], &report["decisions"][0]["action"]), (&true.into(), &"take".into()));
    assert_eq!(elements(&report, "at_injection"), ["merge"]);
    let told =
        run!("rules", "explain", "--source", sample(), "--rules", rules, r"\Users\anna\Documents\Budget.xls");
    let told = told.ends(0);
    for line in
        ["\n  at injection: ", "\n  outranked at injection: ", "excludeAttributes Security,TimeFields"]
    {
        assert!(told.text().contains(line), "{line}: {}", told.told());
    }
}
