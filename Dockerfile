# stressnet on the CPU, without CUDA's packages:
#   docker build -t stressnet .
#   docker run --rm -v "$PWD:/work" stressnet demo
FROM python:3.12-slim
RUN pip install --no-cache-dir torch --index-url https://download.pytorch.org/whl/cpu
COPY . /src
RUN pip install --no-cache-dir /src && rm -rf /src
WORKDIR /work
ENTRYPOINT ["stressnet"]
