//! A real browser before the daemon's pages: Debian's Chromium, headless, led by chromedriver.
//!
//! Each has a profile of its own and sees no host but this one. Every command is bounded by time. What a page has the
//! browser complain about (an error of a script, a resource that is missing, what the content security policy refused)
//! fails the test that opened it, unless it was named before.
//!
//! Absent: other browsers, and any knowledge of the pages.

mod axe;
mod driver;

use std::cell::RefCell;
use std::future::Future;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
pub use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use url::Url;

use crate::process::wait_for;
pub use axe::Findings;
use driver::{Driver, INSTALL};

/// How long one command may take, a page's loading among them.
const LIMIT: Duration = Duration::from_secs(30);

/// A browser with one window. Ends when it is dropped, and fails then if a page made it complain.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    expected: RefCell<Vec<String>>,
    _driver: Driver,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The window's width in CSS pixels.
    pub width: u32,
    /// Whether the reader prefers dark pages.
    pub dark: bool,
}

impl Look {
    /// A desk and a telephone, by day and by night.
    pub const ALL: [Self; 4] = [
        Self { width: 1280, dark: false },
        Self { width: 1280, dark: true },
        Self { width: 390, dark: false },
        Self { width: 390, dark: true },
    ];

    const HEIGHT: u32 = 844;

    /// The preferred colour scheme, as CSS calls it.
    pub fn scheme(self) -> &'static str {
        if self.dark { "dark" } else { "light" }
    }
}

impl Browser {
    /// Starts one that looks at pages on a bright desk.
    ///
    /// # Panics
    /// If there is no Chromium, as everywhere in here when something does not work.
    #[track_caller]
    pub fn start() -> Self {
        let driver = Driver::start();
        let runtime = Runtime::new().expect("a runtime can be made");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities().as_object().expect("an object").clone());
        let connecting = runtime.block_on(async { timeout(LIMIT, builder.connect(&driver.url())).await });
        let client = connecting.expect("a browser starts within its time");
        let client = client.unwrap_or_else(|error| panic!("cannot start Chromium: {error}: {INSTALL}"));
        let browser = Self { runtime, client, expected: RefCell::default(), _driver: driver };
        browser.look(Look::ALL[0]);
        browser
    }

    /// Looks at pages like this from now on, the one that is open too.
    pub fn look(&self, look: Look) {
        let (width, height) = (look.width, Look::HEIGHT);
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        let scheme = json!({ "name": "prefers-color-scheme", "value": look.scheme() });
        // Nothing moves, so that no test has to wait for it.
        let motion = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [scheme, motion] }));
    }

    /// Whether pages that are opened from now on may run scripts. What a test asks of a page runs in any case.
    pub fn allow_scripts(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !allowed }));
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.run("open a page", self.client.goto(url));
    }

    /// Where it is now.
    #[track_caller]
    pub fn url(&self) -> Url {
        self.run("say where it is", self.client.current_url())
    }

    /// To the page before.
    #[track_caller]
    pub fn back(&self) {
        self.run("go back", self.client.back());
    }

    /// And back again.
    #[track_caller]
    pub fn forward(&self) {
        self.run("go forward", self.client.forward());
    }

    /// What the body of a function gives back that runs in the page with these arguments.
    #[track_caller]
    pub fn ask(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.run(script, self.client.execute(script, arguments))
    }

    /// Whether an expression is true in the page.
    #[track_caller]
    pub fn is(&self, expression: &str) -> bool {
        self.ask(&format!("return Boolean({expression})"), Vec::new()) == true
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub fn until(&self, expression: &str) {
        wait_for(expression, || self.is(expression).then_some(()));
    }

    /// What a reader sees of the first element that a CSS selector finds.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        self.run("read a text", element.text())
    }

    /// Clicks on it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.run("click", element.click());
    }

    /// Types a text in its place.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.run("clear", element.clear());
        self.run("type", element.send_keys(text));
    }

    /// Chooses what has this value in a `select`.
    #[track_caller]
    pub fn choose(&self, selector: &str, value: &str) {
        let element = self.element(selector);
        self.run("choose", element.select_by_value(value));
    }

    /// Presses a key and lets it go, whatever has the focus.
    #[track_caller]
    pub fn press(&self, key: Key) {
        let value = char::from(key);
        let keyboard = KeyActions::new("keyboard".to_owned());
        let pressed = keyboard.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.run("press a key", self.client.perform_actions(pressed));
    }

    /// Types with what has the focus.
    #[track_caller]
    pub fn type_text(&self, text: &str) {
        let keyboard = KeyActions::new("keyboard".to_owned());
        let typed = text
            .chars()
            .fold(keyboard, |keys, value| keys.then(KeyAction::Down { value }).then(KeyAction::Up { value }));
        self.run("type", self.client.perform_actions(typed));
    }

    /// Forgets who is logged in.
    #[track_caller]
    pub fn forget(&self) {
        self.run("forget its cookies", self.client.delete_all_cookies());
    }

    /// Its cookies for the page that is open, as a request carries them.
    #[track_caller]
    pub fn cookies(&self) -> String {
        let cookies = self.run("show its cookies", self.client.get_all_cookies());
        let pairs = cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The whole page as a PNG, however long it is.
    #[track_caller]
    pub fn screenshot(&self) -> Vec<u8> {
        let size = "const page = document.documentElement; \
                    return { x: 0, y: 0, scale: 1, width: innerWidth, height: page.scrollHeight }";
        let clip = self.ask(size, Vec::new());
        let taken = self.devtools(
            "Page.captureScreenshot",
            json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }),
        );
        let data = taken["data"].as_str().expect("a picture");
        STANDARD.decode(data).expect("it is encoded as it says")
    }

    /// Takes a complaint that has this text for granted.
    pub fn expect(&self, complaint: &str) {
        self.expected.borrow_mut().push(complaint.to_owned());
    }

    /// What pages had it complain about since it was asked last, and nobody expected.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let command = Command::new("se/log", json!({ "type": "browser" }));
        let log = self.run("show its log", self.client.issue_cmd(command));
        let entries = log.as_array().expect("a list").iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        let texts = severe.filter_map(|entry| entry["message"].as_str().map(str::to_owned));
        let expected = self.expected.borrow();
        texts.filter(|text| !expected.iter().any(|part| text.contains(part))).collect()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> Element {
        let found = self.within(self.client.find(Locator::Css(selector)));
        found.unwrap_or_else(|error| panic!("no `{selector}` at {}: {error}", self.url()))
    }

    /// A command of Chromium's own protocol for developers' tools.
    #[track_caller]
    fn devtools(&self, name: &str, parameters: Value) -> Value {
        let command = Command::new("goog/cdp/execute", json!({ "cmd": name, "params": parameters }));
        self.run(name, self.client.issue_cmd(command))
    }

    #[track_caller]
    fn run<T>(&self, what: &str, command: impl Future<Output = Result<T, CmdError>>) -> T {
        self.within(command).unwrap_or_else(|error| panic!("the browser cannot {what}: {error}"))
    }

    #[track_caller]
    fn within<T>(&self, command: impl Future<Output = T>) -> T {
        let answer = self.runtime.block_on(async { timeout(LIMIT, command).await });
        answer.unwrap_or_else(|_| panic!("the browser gave no answer for {LIMIT:?}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !thread::panicking() {
            let complaints = self.complaints();
            assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
        }
    }
}

fn capabilities() -> Value {
    let mut arguments = vec![
        "--headless=new",
        "--hide-scrollbars",
        "--lang=en-US",
        // No packet leaves the machine.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        // Shared memory is scarce in containers.
        "--disable-dev-shm-usage",
    ];
    if rustix::process::getuid().is_root() {
        // Chromium's own sandbox refuses to work for root.
        arguments.push("--no-sandbox");
    }
    json!({
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "pageLoad": LIMIT.as_millis() as u64, "script": LIMIT.as_millis() as u64 },
    })
}

/// A command of chromedriver that the standard does not have.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl Command {
    fn new(path: &'static str, body: Value) -> Self {
        Self { path, body }
    }
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
