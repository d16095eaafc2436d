# EIMG Studio on the CPU: docker build -t eimg-studio . && docker run --rm -p 127.0.0.1:7860:7860 eimg-studio
# Nothing is written but to /tmp: add --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
FROM python:3.11-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends libfluidsynth3 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /studio
COPY requirements.txt constraints.txt ./
# The CPU build of PyTorch spares 5 GB of GPU libraries; the rest comes from the usual index, in the tested versions.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch>=2.9,<3" "torchvision>=0.24,<1" \
 && grep -vE '^(nvidia|cuda|triton|torch)' constraints.txt > /tmp/constraints.txt \
 && pip install --no-cache-dir -r requirements.txt -c /tmp/constraints.txt \
 && rm /tmp/constraints.txt

COPY app.py LICENSE ./
COPY eimg_core ./eimg_core
COPY assets ./assets
RUN python -m compileall -q app.py eimg_core \
 && useradd --no-create-home --uid 10001 studio
USER studio

ENV GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_TEMP_DIR=/tmp/studio \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/gradio_api/info', timeout=8)"]
CMD ["python", "app.py"]
