# syntax=docker/dockerfile:1
#
# CPU (default, linux/amd64 and linux/arm64; needs the npm registry alone):
#   docker build -t tdi .
#   docker run --rm -p 8080:8080 tdi
#
# CUDA (linux/amd64):
#   docker build -t tdi:cuda --build-arg ACCELERATOR=cuda .
#   docker run --rm --gpus all -p 8080:8080 -e TDI_DEVICE=cuda tdi:cuda
# The CUDA libraries of ONNX Runtime are not in the npm registry: only with this argument the install script of
# onnxruntime-node runs, and it needs to reach NuGet. CUDA and cuDNN themselves come with the base image.
# The build ends when a library that they need is missing. With TDI_DEVICE=cuda the server does not start without a GPU; without it
# the CPU takes over, and the log says why. Which provider really computes, GET /info tells.

# The base images are named by tag. Pin them by digest where you build (--build-arg NODE_IMAGE=node@sha256:…): a digest written
# down here could not be checked when this file was made.
ARG ACCELERATOR=cpu
ARG NODE_IMAGE=node:24-bookworm-slim
# Major versions as onnxruntime-node's "cuda12" libraries are linked against: CUDA 12, cuDNN 9.
ARG CUDA_IMAGE=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04

FROM ${NODE_IMAGE} AS build
ARG ACCELERATOR
WORKDIR /app
# An init that passes signals on and reaps what an engine process leaves behind; statically linked, so any image can run it.
RUN apt-get update && apt-get install -y --no-install-recommends tini
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
COPY web web
RUN npm run build
RUN npm prune --omit=dev
# The install script only knows the folder it lies in, so it can be run by hand: .npmrc keeps all scripts off during npm ci.
RUN if [ "${ACCELERATOR}" = cuda ]; then ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js; fi
# onnxruntime-node holds the libraries of every platform (288 MB), and onnxruntime-web (141 MB) is for browsers: the Node
# build of the tokenizer library does not import it.
RUN arch="$(node -p process.arch)" \
 && rm -rf node_modules/onnxruntime-web \
 && find node_modules/onnxruntime-node/bin -mindepth 3 -maxdepth 3 -type d ! -path "*/linux/${arch}" -exec rm -rf {} + \
 && node --input-type=module -e 'await import("onnxruntime-node"); await import("@xenova/transformers")'

FROM ${NODE_IMAGE} AS runtime-cpu

FROM ${CUDA_IMAGE} AS runtime-cuda
COPY --from=build /usr/local/bin/node /usr/local/bin/node

FROM runtime-${ACCELERATOR}
ARG ACCELERATOR
WORKDIR /app
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    ORT_DISABLE_TELEMETRY=1
COPY --from=build /usr/bin/tini-static /tini
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
# An image without a library that the CUDA provider is linked to would only say so when it is started. The driver's comes with the host.
RUN if [ "${ACCELERATOR}" = cuda ]; then \
      provider=node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so; \
      test -f "${provider}" && ldd "${provider}" > /tmp/linked && ! { grep "not found" /tmp/linked | grep -v libcuda.so.1; } && rm /tmp/linked; \
    fi
COPY --from=build /app/dist/src dist/src
COPY --from=build /app/dist/pages dist/pages
COPY openapi.yaml LICENSE NOTICE ./
COPY models models
# Graphs as prepared for the processor (docs/engine.md) are kept here, where it can be written: in a volume, or without --read-only.
ENV TDI_CACHE_DIR=/cache
RUN mkdir /cache && chown 10001:10001 /cache
# Numeric, so that an orchestrator can see that it is not root; nothing else in the image is writable for it.
USER 10001:10001
EXPOSE 8080
# Set the port with PORT, not with --port, so that this check finds it.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
# Needs no writable file system: docker run --read-only works.
ENTRYPOINT ["/tini", "--", "node", "dist/src/main.js"]
