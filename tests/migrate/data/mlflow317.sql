CREATE TABLE "experiments" (
  experiment_id INTEGER NOT NULL, 
  name VARCHAR(256) NOT NULL, 
  artifact_location VARCHAR(256), 
  lifecycle_stage VARCHAR(32), 
  creation_time BIGINT, 
  last_update_time BIGINT, 
  workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
  CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
  CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
  CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO experiments VALUES(0,'Default','/srv/team/mlruns/0','active',1795456332881,1795456332881,'default');
INSERT INTO experiments VALUES(1,'sweep/one','/srv/team/mlruns/1','active',1795456332884,1795456332884,'default');
INSERT INTO experiments VALUES(2,'gone','/srv/team/mlruns/2','deleted',1795456332896,1795456333614,'default');
CREATE TABLE "experiment_tags" (
  "key" VARCHAR(250) NOT NULL, 
  value TEXT, 
  experiment_id INTEGER NOT NULL, 
  CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), 
  FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)
);
INSERT INTO experiment_tags VALUES('team','a',1);
INSERT INTO experiment_tags VALUES('note one','x',1);
CREATE TABLE "runs" (
  run_uuid VARCHAR(32) NOT NULL, 
  name VARCHAR(250), 
  source_type VARCHAR(20), 
  source_name VARCHAR(500), 
  entry_point_name VARCHAR(50), 
  user_id VARCHAR(256), 
  status VARCHAR(9), 
  start_time BIGINT, 
  end_time BIGINT, 
  source_version VARCHAR(50), 
  lifecycle_stage VARCHAR(20), 
  artifact_uri VARCHAR(200), 
  experiment_id INTEGER, deleted_time BIGINT, 
  CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
  CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
  CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
  FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO runs VALUES('7d8a279561f24ba19077326c8262759f','r0','UNKNOWN','','','root','FINISHED',1795456333056,1795456333340,'','active','/srv/team/mlruns/1/7d8a279561f24ba19077326c8262759f/artifacts',1,NULL);
INSERT INTO runs VALUES('cc06a03fefd24be58fdb135a1ed10fa9','child','UNKNOWN','','','root','FINISHED',1795456333279,1795456333293,'','active','/srv/team/mlruns/1/cc06a03fefd24be58fdb135a1ed10fa9/artifacts',1,NULL);
INSERT INTO runs VALUES('6564d30bb48e4efd9bce088591ea8c3a','r1','UNKNOWN','','','root','FINISHED',1795456333345,1795456333576,'','deleted','/srv/team/mlruns/1/6564d30bb48e4efd9bce088591ea8c3a/artifacts',1,1795456333586);
INSERT INTO runs VALUES('56ba36eb66664d3b9700d54efad18567','child','UNKNOWN','','','root','FINISHED',1795456333519,1795456333533,'','active','/srv/team/mlruns/1/56ba36eb66664d3b9700d54efad18567/artifacts',1,NULL);
INSERT INTO runs VALUES('3a5ccae72e8346008499d25da2206f99','dashing-foal-789','UNKNOWN','','','root','FINISHED',1795456333590,1795456333606,'','deleted','/srv/team/mlruns/2/3a5ccae72e8346008499d25da2206f99/artifacts',2,1795456333618);
CREATE TABLE "params" (
  "key" VARCHAR(250) NOT NULL, 
  value VARCHAR(8000) NOT NULL, 
  run_uuid VARCHAR(32) NOT NULL, 
  CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO params VALUES('lr','0.0','7d8a279561f24ba19077326c8262759f');
INSERT INTO params VALUES('opt','a''b
c: é','7d8a279561f24ba19077326c8262759f');
INSERT INTO params VALUES('lr','0.1','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO params VALUES('opt','a''b
c: é','6564d30bb48e4efd9bce088591ea8c3a');
CREATE TABLE "tags" (
  "key" VARCHAR(250) NOT NULL, 
  value VARCHAR(8000), 
  run_uuid VARCHAR(32) NOT NULL, 
  CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO tags VALUES('mlflow.user','root','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('mlflow.source.name','train.py','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('mlflow.note.content','hello
world: [x]','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('mlflow.runName','r0','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('t','multi
line','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('empty','','7d8a279561f24ba19077326c8262759f');
INSERT INTO tags VALUES('mlflow.user','root','cc06a03fefd24be58fdb135a1ed10fa9');
INSERT INTO tags VALUES('mlflow.source.name','train.py','cc06a03fefd24be58fdb135a1ed10fa9');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','cc06a03fefd24be58fdb135a1ed10fa9');
INSERT INTO tags VALUES('mlflow.parentRunId','7d8a279561f24ba19077326c8262759f','cc06a03fefd24be58fdb135a1ed10fa9');
INSERT INTO tags VALUES('mlflow.runName','child','cc06a03fefd24be58fdb135a1ed10fa9');
INSERT INTO tags VALUES('mlflow.user','root','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('mlflow.source.name','train.py','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('mlflow.note.content','hello
world: [x]','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('mlflow.runName','r1','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('t','multi
line','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('empty','','6564d30bb48e4efd9bce088591ea8c3a');
INSERT INTO tags VALUES('mlflow.user','root','56ba36eb66664d3b9700d54efad18567');
INSERT INTO tags VALUES('mlflow.source.name','train.py','56ba36eb66664d3b9700d54efad18567');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','56ba36eb66664d3b9700d54efad18567');
INSERT INTO tags VALUES('mlflow.parentRunId','6564d30bb48e4efd9bce088591ea8c3a','56ba36eb66664d3b9700d54efad18567');
INSERT INTO tags VALUES('mlflow.runName','child','56ba36eb66664d3b9700d54efad18567');
INSERT INTO tags VALUES('mlflow.user','root','3a5ccae72e8346008499d25da2206f99');
INSERT INTO tags VALUES('mlflow.source.name','train.py','3a5ccae72e8346008499d25da2206f99');
INSERT INTO tags VALUES('mlflow.source.type','LOCAL','3a5ccae72e8346008499d25da2206f99');
INSERT INTO tags VALUES('mlflow.runName','dashing-foal-789','3a5ccae72e8346008499d25da2206f99');
CREATE TABLE "metrics" (
  "key" VARCHAR(250) NOT NULL, 
  value FLOAT NOT NULL, 
  timestamp BIGINT NOT NULL, 
  run_uuid VARCHAR(32) NOT NULL, 
  step BIGINT DEFAULT '0' NOT NULL, 
  is_nan BOOLEAN DEFAULT '0' NOT NULL, 
  CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
  CHECK (is_nan IN (0, 1))
);
INSERT INTO metrics VALUES('val/loss',1.0,1795456333084,'7d8a279561f24ba19077326c8262759f',0,0);
INSERT INTO metrics VALUES('val/loss',0.5,1795456333090,'7d8a279561f24ba19077326c8262759f',1,0);
INSERT INTO metrics VALUES('val/loss',0.3333333333333333,1795456333095,'7d8a279561f24ba19077326c8262759f',2,0);
INSERT INTO metrics VALUES('val/loss',0.25,1795456333100,'7d8a279561f24ba19077326c8262759f',3,0);
INSERT INTO metrics VALUES('val/loss',0.2,1795456333104,'7d8a279561f24ba19077326c8262759f',4,0);
INSERT INTO metrics VALUES('val/loss',0.16666666666666666,1795456333107,'7d8a279561f24ba19077326c8262759f',5,0);
INSERT INTO metrics VALUES('val/loss',0.14285714285714285,1795456333111,'7d8a279561f24ba19077326c8262759f',6,0);
INSERT INTO metrics VALUES('val/loss',0.125,1795456333115,'7d8a279561f24ba19077326c8262759f',7,0);
INSERT INTO metrics VALUES('val/loss',0.1111111111111111,1795456333119,'7d8a279561f24ba19077326c8262759f',8,0);
INSERT INTO metrics VALUES('val/loss',0.1,1795456333124,'7d8a279561f24ba19077326c8262759f',9,0);
INSERT INTO metrics VALUES('val/loss',0.09090909090909091,1795456333129,'7d8a279561f24ba19077326c8262759f',10,0);
INSERT INTO metrics VALUES('val/loss',0.08333333333333333,1795456333135,'7d8a279561f24ba19077326c8262759f',11,0);
INSERT INTO metrics VALUES('val/loss',0.07692307692307693,1795456333142,'7d8a279561f24ba19077326c8262759f',12,0);
INSERT INTO metrics VALUES('val/loss',0.07142857142857142,1795456333151,'7d8a279561f24ba19077326c8262759f',13,0);
INSERT INTO metrics VALUES('val/loss',0.06666666666666667,1795456333159,'7d8a279561f24ba19077326c8262759f',14,0);
INSERT INTO metrics VALUES('val/loss',0.0625,1795456333166,'7d8a279561f24ba19077326c8262759f',15,0);
INSERT INTO metrics VALUES('val/loss',0.058823529411764705,1795456333172,'7d8a279561f24ba19077326c8262759f',16,0);
INSERT INTO metrics VALUES('val/loss',0.05555555555555555,1795456333179,'7d8a279561f24ba19077326c8262759f',17,0);
INSERT INTO metrics VALUES('val/loss',0.05263157894736842,1795456333188,'7d8a279561f24ba19077326c8262759f',18,0);
INSERT INTO metrics VALUES('val/loss',0.05,1795456333194,'7d8a279561f24ba19077326c8262759f',19,0);
INSERT INTO metrics VALUES('nan',0.0,1795456333199,'7d8a279561f24ba19077326c8262759f',0,1);
INSERT INTO metrics VALUES('inf',1.7976931348623157e+308,1795456333204,'7d8a279561f24ba19077326c8262759f',0,0);
INSERT INTO metrics VALUES('neg',-1.7976931348623157e+308,1795456333209,'7d8a279561f24ba19077326c8262759f',0,0);
INSERT INTO metrics VALUES('withds',0.5,1795456333273,'7d8a279561f24ba19077326c8262759f',3,0);
INSERT INTO metrics VALUES('x',1.0,1795456333288,'cc06a03fefd24be58fdb135a1ed10fa9',0,0);
INSERT INTO metrics VALUES('acc',0.7,1795456333322,'7d8a279561f24ba19077326c8262759f',1,0);
INSERT INTO metrics VALUES('val/loss',1.0,1795456333359,'6564d30bb48e4efd9bce088591ea8c3a',0,0);
INSERT INTO metrics VALUES('val/loss',0.5,1795456333364,'6564d30bb48e4efd9bce088591ea8c3a',1,0);
INSERT INTO metrics VALUES('val/loss',0.3333333333333333,1795456333370,'6564d30bb48e4efd9bce088591ea8c3a',2,0);
INSERT INTO metrics VALUES('val/loss',0.25,1795456333376,'6564d30bb48e4efd9bce088591ea8c3a',3,0);
INSERT INTO metrics VALUES('val/loss',0.2,1795456333381,'6564d30bb48e4efd9bce088591ea8c3a',4,0);
INSERT INTO metrics VALUES('val/loss',0.16666666666666666,1795456333386,'6564d30bb48e4efd9bce088591ea8c3a',5,0);
INSERT INTO metrics VALUES('val/loss',0.14285714285714285,1795456333390,'6564d30bb48e4efd9bce088591ea8c3a',6,0);
INSERT INTO metrics VALUES('val/loss',0.125,1795456333395,'6564d30bb48e4efd9bce088591ea8c3a',7,0);
INSERT INTO metrics VALUES('val/loss',0.1111111111111111,1795456333399,'6564d30bb48e4efd9bce088591ea8c3a',8,0);
INSERT INTO metrics VALUES('val/loss',0.1,1795456333403,'6564d30bb48e4efd9bce088591ea8c3a',9,0);
INSERT INTO metrics VALUES('val/loss',0.09090909090909091,1795456333407,'6564d30bb48e4efd9bce088591ea8c3a',10,0);
INSERT INTO metrics VALUES('val/loss',0.08333333333333333,1795456333411,'6564d30bb48e4efd9bce088591ea8c3a',11,0);
INSERT INTO metrics VALUES('val/loss',0.07692307692307693,1795456333415,'6564d30bb48e4efd9bce088591ea8c3a',12,0);
INSERT INTO metrics VALUES('val/loss',0.07142857142857142,1795456333419,'6564d30bb48e4efd9bce088591ea8c3a',13,0);
INSERT INTO metrics VALUES('val/loss',0.06666666666666667,1795456333423,'6564d30bb48e4efd9bce088591ea8c3a',14,0);
INSERT INTO metrics VALUES('val/loss',0.0625,1795456333427,'6564d30bb48e4efd9bce088591ea8c3a',15,0);
INSERT INTO metrics VALUES('val/loss',0.058823529411764705,1795456333431,'6564d30bb48e4efd9bce088591ea8c3a',16,0);
INSERT INTO metrics VALUES('val/loss',0.05555555555555555,1795456333435,'6564d30bb48e4efd9bce088591ea8c3a',17,0);
INSERT INTO metrics VALUES('val/loss',0.05263157894736842,1795456333439,'6564d30bb48e4efd9bce088591ea8c3a',18,0);
INSERT INTO metrics VALUES('val/loss',0.05,1795456333443,'6564d30bb48e4efd9bce088591ea8c3a',19,0);
INSERT INTO metrics VALUES('nan',0.0,1795456333447,'6564d30bb48e4efd9bce088591ea8c3a',0,1);
INSERT INTO metrics VALUES('inf',1.7976931348623157e+308,1795456333453,'6564d30bb48e4efd9bce088591ea8c3a',0,0);
INSERT INTO metrics VALUES('neg',-1.7976931348623157e+308,1795456333463,'6564d30bb48e4efd9bce088591ea8c3a',0,0);
INSERT INTO metrics VALUES('withds',0.5,1795456333513,'6564d30bb48e4efd9bce088591ea8c3a',3,0);
INSERT INTO metrics VALUES('x',1.0,1795456333528,'56ba36eb66664d3b9700d54efad18567',0,0);
INSERT INTO metrics VALUES('acc',0.7,1795456333556,'6564d30bb48e4efd9bce088591ea8c3a',1,0);
INSERT INTO metrics VALUES('q',1.0,1795456333600,'3a5ccae72e8346008499d25da2206f99',0,0);
CREATE TABLE "datasets" (
  dataset_uuid VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  name VARCHAR(500) NOT NULL, 
  digest VARCHAR(36) NOT NULL, 
  dataset_source_type VARCHAR(36) NOT NULL, 
  dataset_source TEXT NOT NULL, 
  dataset_schema TEXT, 
  dataset_profile TEXT, 
  CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), 
  CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO datasets VALUES('86fb778cb06f449a947f97a5c7d2057b',1,'df','d1dacd71','code','{"tags": {"mlflow.user": "root", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}}','{"mlflow_colspec": [{"type": "long", "name": "a", "required": true}]}','{"num_rows": 3, "num_elements": 3}');
INSERT INTO datasets VALUES('63ff7b7a9f3d4c4091597d4201ea9e20',1,'df','caecf8d5','code','{"tags": {"mlflow.user": "root", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}}','{"mlflow_colspec": [{"type": "long", "name": "a", "required": true}]}','{"num_rows": 3, "num_elements": 3}');
CREATE TABLE inputs (
  input_uuid VARCHAR(36) NOT NULL, 
  source_type VARCHAR(36) NOT NULL, 
  source_id VARCHAR(36) NOT NULL, 
  destination_type VARCHAR(36) NOT NULL, 
  destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, 
  CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id)
);
INSERT INTO inputs VALUES('258ee7af0728475dbaf79d31ef212bd5','DATASET','86fb778cb06f449a947f97a5c7d2057b','RUN','7d8a279561f24ba19077326c8262759f',0);
INSERT INTO inputs VALUES('8bbb3c188cef4c9e83bc3756d6e82ae0','RUN_INPUT','7d8a279561f24ba19077326c8262759f','MODEL_INPUT','m-5e927aa3fb0c49e091df4fce8ad03759',0);
INSERT INTO inputs VALUES('a0f99f4e9c514c8e9bddaaeb5d11a934','RUN_OUTPUT','7d8a279561f24ba19077326c8262759f','MODEL_OUTPUT','m-5e927aa3fb0c49e091df4fce8ad03759',1);
INSERT INTO inputs VALUES('4c239458369d44669198e31b9827cdfc','DATASET','63ff7b7a9f3d4c4091597d4201ea9e20','RUN','6564d30bb48e4efd9bce088591ea8c3a',0);
INSERT INTO inputs VALUES('f20aac2e51214126be26790d2b0962fb','RUN_INPUT','6564d30bb48e4efd9bce088591ea8c3a','MODEL_INPUT','m-65029dc3d41d4b2faf01d5454329d709',0);
INSERT INTO inputs VALUES('5ec969c85a954bc88b9f42318abc98fc','RUN_OUTPUT','6564d30bb48e4efd9bce088591ea8c3a','MODEL_OUTPUT','m-65029dc3d41d4b2faf01d5454329d709',1);
CREATE TABLE input_tags (
  input_uuid VARCHAR(36) NOT NULL, 
  name VARCHAR(255) NOT NULL, 
  value VARCHAR(500) NOT NULL, 
  CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name)
);
INSERT INTO input_tags VALUES('258ee7af0728475dbaf79d31ef212bd5','k','v');
INSERT INTO input_tags VALUES('258ee7af0728475dbaf79d31ef212bd5','mlflow.data.context','train');
INSERT INTO input_tags VALUES('4c239458369d44669198e31b9827cdfc','k','v');
INSERT INTO input_tags VALUES('4c239458369d44669198e31b9827cdfc','mlflow.data.context','train');
CREATE TABLE logged_models (
  model_id VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  name VARCHAR(500) NOT NULL, 
  artifact_location VARCHAR(1000) NOT NULL, 
  creation_timestamp_ms BIGINT NOT NULL, 
  last_updated_timestamp_ms BIGINT NOT NULL, 
  status INTEGER NOT NULL, 
  lifecycle_stage VARCHAR(32), 
  model_type VARCHAR(500), 
  source_run_id VARCHAR(32), 
  status_message VARCHAR(1000), 
  CONSTRAINT logged_models_pk PRIMARY KEY (model_id), 
  CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')), 
  CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE
);
INSERT INTO logged_models VALUES('m-5e927aa3fb0c49e091df4fce8ad03759',1,'mod','/srv/team/mlruns/1/models/m-5e927aa3fb0c49e091df4fce8ad03759/artifacts',1795456333307,1795456333333,2,'active','agent','7d8a279561f24ba19077326c8262759f',NULL);
INSERT INTO logged_models VALUES('m-65029dc3d41d4b2faf01d5454329d709',1,'mod','/srv/team/mlruns/1/models/m-65029dc3d41d4b2faf01d5454329d709/artifacts',1795456333544,1795456333567,2,'active','agent','6564d30bb48e4efd9bce088591ea8c3a',NULL);
CREATE TABLE logged_model_params (
  model_id VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  param_key VARCHAR(255) NOT NULL, 
  param_value TEXT NOT NULL, 
  CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id, param_key), 
  CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO logged_model_params VALUES('m-5e927aa3fb0c49e091df4fce8ad03759',1,'p','1');
INSERT INTO logged_model_params VALUES('m-65029dc3d41d4b2faf01d5454329d709',1,'p','1');
CREATE TABLE logged_model_tags (
  model_id VARCHAR(36) NOT NULL, 
  experiment_id INTEGER NOT NULL, 
  tag_key VARCHAR(255) NOT NULL, 
  tag_value TEXT NOT NULL, 
  CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key), 
  CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE
);
INSERT INTO logged_model_tags VALUES('m-5e927aa3fb0c49e091df4fce8ad03759',1,'mlflow.user','root');
INSERT INTO logged_model_tags VALUES('m-5e927aa3fb0c49e091df4fce8ad03759',1,'mlflow.source.name','train.py');
INSERT INTO logged_model_tags VALUES('m-5e927aa3fb0c49e091df4fce8ad03759',1,'mlflow.source.type','LOCAL');
INSERT INTO logged_model_tags VALUES('m-5e927aa3fb0c49e091df4fce8ad03759',1,'a','b');
INSERT INTO logged_model_tags VALUES('m-65029dc3d41d4b2faf01d5454329d709',1,'mlflow.user','root');
INSERT INTO logged_model_tags VALUES('m-65029dc3d41d4b2faf01d5454329d709',1,'mlflow.source.name','train.py');
INSERT INTO logged_model_tags VALUES('m-65029dc3d41d4b2faf01d5454329d709',1,'mlflow.source.type','LOCAL');
INSERT INTO logged_model_tags VALUES('m-65029dc3d41d4b2faf01d5454329d709',1,'a','b');
CREATE TABLE logged_model_metrics (
  model_id VARCHAR(36) NOT NULL, 
  metric_name VARCHAR(500) NOT NULL, 
  metric_timestamp_ms BIGINT NOT NULL, 
  metric_step BIGINT NOT NULL, 
  metric_value FLOAT, 
  experiment_id INTEGER NOT NULL, 
  run_id VARCHAR(32) NOT NULL, 
  dataset_uuid VARCHAR(36), 
  dataset_name VARCHAR(500), 
  dataset_digest VARCHAR(36), 
  CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id), 
  CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
  CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE CASCADE, 
  CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (run_uuid) ON DELETE CASCADE
);
INSERT INTO logged_model_metrics VALUES('m-5e927aa3fb0c49e091df4fce8ad03759','acc',1795456333322,1,0.7,1,'7d8a279561f24ba19077326c8262759f',NULL,'df','d1dacd71');
INSERT INTO logged_model_metrics VALUES('m-65029dc3d41d4b2faf01d5454329d709','acc',1795456333556,1,0.7,1,'6564d30bb48e4efd9bce088591ea8c3a',NULL,'df','caecf8d5');
