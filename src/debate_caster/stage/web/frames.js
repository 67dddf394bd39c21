/** Drawing no more often than anybody can see. */

/** What nobody sees may wait this long, in milliseconds. */
const HIDDEN_MS = 250;

/** Return a function that has `draw` called once, soon, however often it is called before that. */
export function drawnInFrames(draw) {
  let scheduled = false;
  const run = () => {
    if (!scheduled) return;
    scheduled = false;
    draw();
  };
  return () => {
    if (scheduled) return;
    scheduled = true;
    // Hidden pages get no animation frames; the timer keeps their titles true.
    if (document.hidden) setTimeout(run, HIDDEN_MS);
    else requestAnimationFrame(run);
  };
}
