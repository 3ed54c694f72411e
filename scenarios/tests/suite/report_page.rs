//! The page of a run in a real browser: it loads without a complaint and without a network, draws, and a click on an
//! operation shows its details. Chromium is driven by `chromedriver`, as any WebDriver client would.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Plays a scenario with the binary and returns the page that it wrote.
fn page_of(scenario: &Path, seed: &str, directory: &Path) -> PathBuf {
    let page = directory.join(format!("report-{seed}.html"));
    let run = Command::new(env!("CARGO_BIN_EXE_squall"))
        .arg("run")
        .arg(scenario)
        .args(["--seed", seed, "--quiet", "--report"])
        .arg(&page)
        .output()
        .expect("squall can be run");
    assert!(matches!(run.status.code(), Some(0 | 1)), "{}", text(&run.stderr));
    page
}

/// A browser, and the driver that moves it.
struct Browser {
    driver: Child,
    session: String,
}

impl Browser {
    /// Nothing where no browser is installed, which is said.
    fn open() -> Option<Browser> {
        let driver =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = driver else {
            eprintln!("not tested: chromedriver is missing (Debian: chromium-driver)");
            return None;
        };
        let output = BufReader::new(driver.stdout.take().expect("its output is read"));
        let told = output.lines().map_while(Result::ok).find(|line| line.contains("successfully on port"));
        let port = told.and_then(|line| line.trim_end_matches('.').rsplit(' ').next()?.parse::<u16>().ok());
        let port = port.expect("chromedriver says where it listens");
        let base = format!("http://127.0.0.1:{port}/session");
        let arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1400"];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        }}});
        let mut browser = Browser { driver, session: base };
        let session = browser.post("", &capabilities);
        let id = session["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        let url = format!("{}{what}", self.session);
        let response = ureq::post(&url).config().http_status_as_error(false).build().send_json(body);
        let answer: Value = response.expect("the driver answers").body_mut().read_json().expect("JSON");
        assert!(answer["value"]["error"].is_null(), "{what}: {answer}");
        answer["value"].clone()
    }

    fn show(&self, page: &Path) {
        self.post("/url", &json!({ "url": format!("file://{}", page.display()) }));
    }

    fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits for the page to have drawn what it was told to.
    fn settle(&self) {
        let script =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)));";
        self.post("/execute/async", &json!({ "script": script, "args": [] }));
    }

    fn click(&self, x: f64, y: f64) {
        let moved = json!({ "type": "pointerMove", "duration": 0, "x": x as i64, "y": y as i64, "origin": "viewport" });
        let actions = [
            moved,
            json!({ "type": "pointerDown", "button": 0 }),
            json!({ "type": "pointerUp", "button": 0 }),
        ];
        self.post(
            "/actions",
            &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }),
        );
    }

    fn complaints(&self) -> Value {
        self.post("/se/log", &json!({ "type": "browser" }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// How much there is to see on the canvas: an empty one compresses to next to nothing.
const DRAWN: &str = "return document.getElementById('picture').toDataURL().length";
const DRAWN_BYTES_MIN: u64 = 20_000;

#[test]
fn a_page_loads_without_complaint_and_a_click_shows_an_operation() {
    let Some(browser) = Browser::open() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let page = page_of(Path::new("primary-partition"), "7", directory.path());
    browser.show(&page);
    browser.settle();
    assert!(browser.run("return document.title").as_str().is_some_and(|title| title.contains("passed")));
    assert!(browser.run(DRAWN).as_u64() > Some(DRAWN_BYTES_MIN), "the picture is empty");

    for id in [1, 2_000, 4_000] {
        let place = browser.run(&format!("return window.squall.locate({id})"));
        browser.settle();
        browser.click(place["x"].as_f64().expect("a place"), place["y"].as_f64().expect("a place"));
        let details = browser.run("return document.getElementById('details').innerText");
        assert!(
            details.as_str().is_some_and(|text| text.contains(&format!("Operation #{id}\n"))),
            "{details}"
        );
    }
    browser.run("document.getElementById('theme').click(); document.getElementById('theme').click()");
    browser.settle();
    assert_eq!(browser.run("return document.documentElement.dataset.theme"), "dark");
    assert!(browser.run(DRAWN).as_u64() > Some(DRAWN_BYTES_MIN), "the picture is empty in the dark");
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
fn the_page_of_a_failure_says_what_was_violated_and_shows_the_proof() {
    let directory = tempfile::tempdir().expect("a directory");
    let shown = Command::new(env!("CARGO_BIN_EXE_squall")).args(["show", "primary-partition"]).output();
    let strict = text(&shown.expect("squall can be run").stdout)
        .replace("measure = \"lost-writes\"\nat_least = 1", "measure = \"lost-writes\"\nat_most = 0")
        .replace("title = \"The", "title = \"</script><b>The");
    let scenario = directory.path().join("strict.toml");
    #[allow(clippy::disallowed_methods, reason = "a person writes this file")]
    std::fs::write(&scenario, strict).expect("the file can be written");
    let page = page_of(&scenario, "3", directory.path());
    let Some(browser) = Browser::open() else { return };
    browser.show(&page);
    browser.settle();
    let failure = browser.run("return document.getElementById('failures').innerText");
    assert!(failure.as_str().is_some_and(|text| text.contains("lost-writes is")), "{failure}");
    let first =
        browser.run("const b = document.querySelector('#failures button'); b.click(); return b.innerText");
    let details = browser.run("return document.getElementById('details').innerText");
    let number = first.as_str().unwrap_or_default();
    assert!(
        details.as_str().is_some_and(|text| text.contains(number) && text.contains("it was not there")),
        "{details}"
    );
    assert_eq!(browser.run("return document.querySelectorAll('h1 b').length"), 0, "a title is text");
    assert_eq!(browser.complaints(), json!([]));
}
