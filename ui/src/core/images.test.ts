import { describe, expect, it } from "vitest";
import { imageSeries } from "./images";

const series = (...names: string[]) =>
  [...imageSeries(names.map((name) => ({ path: `images/${name}` })))].map(([key, images]) => [
    key,
    images.map((image) => image.step),
  ]);

describe("imageSeries", () => {
  it("orders the images of each key by step", () => {
    expect(
      series("a%step%5%timestamp%1%u1.png", "a%step%-1%timestamp%1%u2.png", "b#c+step+0+timestamp+1+u3.webp"),
    ).toEqual([
      ["a", [-1, 5]],
      ["b/c", [0]],
    ]);
  });

  it("leaves out small copies", () => {
    expect(series("a%step%5%timestamp%1%u1%compressed.webp", "a+step+5+timestamp+1+u1+compressed.webp")).toEqual([]);
  });

  it("shows a key that is called compressed", () => {
    expect(series("compressed_view%step%0%timestamp%1%u1.png")).toEqual([["compressed_view", [0]]]);
  });
});
