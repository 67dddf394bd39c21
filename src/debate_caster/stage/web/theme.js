/**
 * Dark or light, decided before the first paint (a classic script in the head, so that no page flashes): what the
 * viewer chose here before, otherwise what the system prefers.
 */
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: light)");
  const chosen = () => {
    try {
      return localStorage.getItem("debate-caster.theme");
    } catch {
      return null;
    }
  };
  const apply = () => {
    root.dataset.theme = chosen() ?? (system.matches ? "light" : "dark");
    const button = document.querySelector("[data-theme-toggle]");
    button?.setAttribute("aria-pressed", String(root.dataset.theme === "light"));
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => {
      const next = root.dataset.theme === "light" ? "dark" : "light";
      try {
        localStorage.setItem("debate-caster.theme", next);
      } catch {
        // Without storage the choice holds for this page.
      }
      root.dataset.theme = next;
      document.querySelector("[data-theme-toggle]").setAttribute("aria-pressed", String(next === "light"));
    });
  });
})();
