// The last minute of a number: a line, and a band between the best and the worst of each second.

const SECONDS = 60;
const SCALES = [50, 100, 200, 500, 1000, 2000, 5000];
const LINES = [[150, "#f0b42966"], [300, "#ff6b5e77"]]; // an old picture, and one not to work by

export class Trace {
  #rows = []; // {low, middle, high} or null for a second without a picture

  constructor(canvas) {
    this.canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  add(row) {
    this.#rows.push(row);
    if (this.#rows.length > SECONDS) this.#rows.shift();
    this.draw();
  }

  draw() {
    const { canvas } = this, ratio = devicePixelRatio;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const size = Math.max(9, height * 0.13), left = size * 4.4, bottom = height - size * 0.4;
    const worst = Math.max(0, ...this.#rows.map((row) => row?.high ?? 0));
    const top = SCALES.find((scale) => scale >= worst) ?? SCALES.at(-1);
    const x = (index) => left + ((SECONDS - this.#rows.length + index) * (width - left - 2)) / (SECONDS - 1);
    const y = (value) => bottom - (Math.min(value, top) / top) * (bottom - size * 0.7);
    this.#grid(pen, { size, left, width, top, y });
    this.#band(pen, x, y);
    this.#line(pen, x, y);
  }

  #grid(pen, { size, left, width, top, y }) {
    pen.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.lineWidth = 1;
    for (const [value, words] of [[0, "0"], [top / 2, `${top / 2}`], [top, `${top} ms`]]) {
      pen.fillStyle = "#8a999f";
      pen.fillText(words, left - size * 0.5, y(value));
      stroke(pen, "#1c252b", [], [[left, y(value)], [width, y(value)]]);
    }
    for (const [value, colour] of LINES) {
      if (value < top) stroke(pen, colour, [4, 4], [[left, y(value)], [width, y(value)]]);
    }
  }

  #band(pen, x, y) {
    pen.fillStyle = "#5fd3bc2e";
    this.#rows.forEach((row, index) => {
      const step = Math.max(1, x(index + 1) - x(index));
      if (row) pen.fillRect(x(index) - step / 2, y(row.high), step, Math.max(1, y(row.low) - y(row.high)));
    });
  }

  #line(pen, x, y) {
    let run = [];
    const end = () => {
      if (run.length === 1) run.push([run[0][0] + 2, run[0][1]]);
      if (run.length) stroke(pen, "#5fd3bc", [], run, 1.6);
      run = [];
    };
    this.#rows.forEach((row, index) => (row ? run.push([x(index), y(row.middle)]) : end()));
    end();
  }
}

function stroke(pen, colour, dash, points, width = 1) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.beginPath();
  points.forEach(([px, py]) => pen.lineTo(px, py));
  pen.stroke();
}
