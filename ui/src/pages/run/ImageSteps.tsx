/** Images logged over steps, with a slider for each key. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Skeleton } from "@/components/parts";
import { imageSeries, type StepImage } from "@/core/images";
import { fileUrl, listing, type Place } from "@/queries/artifacts";
import styles from "./Artifacts.module.css";

export function ImageSteps({ place }: { place: Place }) {
  const { data } = useQuery(listing(place, "images"));
  const series = useMemo(() => imageSeries(data ?? []), [data]);
  if (!data) return <Skeleton />;
  if (series.size === 0) return <p className="muted">No images were logged over steps.</p>;
  return (
    <div className={styles.steps}>
      {[...series].map(([key, images]) => (
        <Steps key={key} place={place} name={key} images={images} />
      ))}
    </div>
  );
}

function Steps({ place, name, images }: { place: Place; name: string; images: readonly StepImage[] }) {
  const [at, setAt] = useState(images.length - 1);
  const image = images[Math.min(at, images.length - 1)] as StepImage;
  return (
    <section className="card" aria-label={name}>
      <h2>{name}</h2>
      <label>
        Step {image.step}{" "}
        <input
          type="range"
          min={0}
          max={images.length - 1}
          value={at}
          aria-valuetext={`step ${image.step}`}
          onChange={(event) => setAt(Number(event.target.value))}
        />
      </label>
      <img className={styles.picture} src={fileUrl(place, image.path)} alt={`${name} at step ${image.step}`} />
    </section>
  );
}
