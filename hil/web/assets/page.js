// The token must not stay in the address bar, in the history or in a bookmark: the cookie has taken its place.
history.replaceState(null, "", location.pathname);
addEventListener("DOMContentLoaded", () => {
  document.getElementById("again").addEventListener("click", () => location.reload());
  // Keys go to the console at once, without a click; when it has ended, to the button.
  new MutationObserver(() => {
    const ended = document.body.classList.contains("-closed");
    const target = document.querySelector(ended ? "#again" : ".xterm-helper-textarea");
    if (target) target.focus();
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
});
