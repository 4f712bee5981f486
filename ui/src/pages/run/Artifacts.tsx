/** The files of a run or a model: a tree on the left, a preview on the right. */
import { useQuery } from "@tanstack/react-query";
import { ErrorView } from "@/components/ErrorView";
import { Icon } from "@/components/Icon";
import { Empty, Skeleton } from "@/components/parts";
import { text, useAddress } from "@/core/address";
import { listing, loggedModel, type Place, zipUrl } from "@/queries/artifacts";
import styles from "./Artifacts.module.css";
import { FileTree, IMAGES } from "./FileTree";
import { ImageSteps } from "./ImageSteps";
import { Preview } from "./Preview";

export function Artifacts({ place, models }: { place: Place; models: readonly { model_id: string }[] }) {
  const [address, change] = useAddress();
  const modelId = text(address.model);
  const here: Place = modelId ? { kind: "model", id: modelId } : place;
  const { data, error, refetch } = useQuery(listing(here, ""));
  const path = text(address.path);
  const size = typeof address.size === "number" ? address.size : undefined;
  return (
    <div className={styles.all}>
      <nav className={styles.tree} aria-label="Files">
        {models.length > 0 && (
          <div className={styles.places}>
            <button type="button" aria-pressed={!modelId} onClick={() => change({ model: undefined, path: undefined })}>
              <Icon name="runs" size={13} /> run
            </button>
            {models.map((model) => (
              <ModelButton
                key={model.model_id}
                id={model.model_id}
                isChosen={modelId === model.model_id}
                choose={() => change({ model: model.model_id, path: "MLmodel", size: undefined })}
              />
            ))}
          </div>
        )}
        {error && !data ? (
          <ErrorView error={error} reset={() => void refetch()} />
        ) : !data ? (
          <Skeleton rows={4} />
        ) : (
          <FileTree
            places={[here]}
            files={data}
            chosen={path}
            choose={(file) => change({ path: file.path, size: file.file_size ?? undefined })}
          />
        )}
        {data && data.length > 0 && (
          <a className={styles.zip} href={zipUrl(here, "")} download>
            <Icon name="download" size={13} /> All as zip
          </a>
        )}
      </nav>
      <div className={styles.preview}>
        {path === IMAGES ? (
          <ImageSteps place={here} />
        ) : path ? (
          <Preview key={`${here.id} ${path}`} place={here} path={path} size={size} />
        ) : data?.length === 0 ? (
          <Empty title="No artifacts" code={'millstream.log_artifact("report.html")'}>
            Files that the run logs are listed here.
          </Empty>
        ) : (
          <p className="muted">Choose a file to look at it.</p>
        )}
      </div>
    </div>
  );
}

function ModelButton({ id, isChosen, choose }: { id: string; isChosen: boolean; choose: () => void }) {
  const { data } = useQuery(loggedModel(id));
  return (
    <button type="button" aria-pressed={isChosen} onClick={choose}>
      <Icon name="models" size={13} /> {data?.info.name || id}
    </button>
  );
}
